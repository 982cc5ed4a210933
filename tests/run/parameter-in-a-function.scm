; run: (x=3) => 18
; grad: k => 9
(parameter k 2)
(define (f v) (* k v v))
(f x)
