; error: COMPILE 2:1 define
(define (f x))
(f 1)
