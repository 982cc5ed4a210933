; error: COMPILE 2:12 3
(parameter 3 1)
(+ 1 2)
