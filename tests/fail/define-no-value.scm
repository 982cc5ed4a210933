; error: COMPILE 2:1 define
(define a)
(+ a 1)
