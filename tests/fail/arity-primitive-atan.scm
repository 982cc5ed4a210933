; error: COMPILE 2:1 atan
(atan 1 2 3)
