; error: COMPILE 4:11 g
; g is defined inside f only.
(define (f x) (define (g y) (* 2 y)) (g x))
(+ (f 1) (g 2))
