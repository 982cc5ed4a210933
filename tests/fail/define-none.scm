; error: COMPILE 2:1 define
(define)
(+ 1 2)
