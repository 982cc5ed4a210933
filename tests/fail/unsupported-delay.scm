; error: COMPILE 2:2 delay
(delay (+ 1 2))
