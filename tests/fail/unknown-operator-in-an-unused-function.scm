; error: COMPILE 2:16 frobnicate
(define (f x) (frobnicate x))
(+ 1 2)
