; error: COMPILE 3:1 f
(define (f a b) (* a b))
(f 1 2 3)
