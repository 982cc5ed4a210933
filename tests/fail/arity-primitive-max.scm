; error: COMPILE 2:1 max
(max)
