; run: (x=2) => 13
; grad: x => 12
(define (f a b) (+ (* a a b) 1))
(f x 3)
