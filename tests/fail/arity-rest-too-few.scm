; error: COMPILE 3:1 f
(define (f a b . rest) (* a b))
(f 1)
