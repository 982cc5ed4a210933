; error: COMPILE 4:4 f
(define (f a b) (* a b))
(+ (f 1 2)
   (f 1))
