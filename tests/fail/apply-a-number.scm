; error: COMPILE 2:6 5
(+ 1 (5 2))
