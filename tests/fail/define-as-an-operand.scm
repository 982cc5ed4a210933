; error: COMPILE 2:6 define
(+ 1 (define a 2))
