; error: COMPILE 2:5 <
(if (< 'a 1) 1 2)
