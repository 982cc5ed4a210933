; error: COMPILE 2:1 if
(if x 1 2 3)
