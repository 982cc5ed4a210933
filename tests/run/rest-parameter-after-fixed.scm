; run: (x=5) => 19
; grad: x => 3
(define (f a b . rest) (+ a b (length rest) (apply + rest)))
(f x x 2 x 0 -2)
