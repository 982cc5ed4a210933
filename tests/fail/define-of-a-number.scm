; error: COMPILE 2:9 5
(define 5 3)
(+ 1 2)
