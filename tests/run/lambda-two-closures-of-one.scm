; run: (x=2) => 2006
; grad: x => 1003
(define (scaler n) (lambda (v) (* n v)))
(define a (scaler 3))
(define b (scaler 1000))
(+ (a x) (b x))
