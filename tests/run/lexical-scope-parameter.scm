; run: (k=2) => 12
; grad: k => 1
(parameter k 2)
(define (f k) (* k 10))
(+ (f 1) k)
