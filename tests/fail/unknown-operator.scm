; error: COMPILE 2:7 sin
(+ 1 (sine x))
