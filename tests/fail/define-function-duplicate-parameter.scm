; error: COMPILE 2:14 a
(define (f a a) a)
(f 1 2)
