; run: (x=3) => 30
; grad: x => 10
(define (square x) (* x 10))
(square x)
