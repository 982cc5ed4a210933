; run: (x=3) => 19
; grad: x => 12
(define (f a) (+ 1 (g a)))
(define (g a) (* 2 a a))
(f x)
