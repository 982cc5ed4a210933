; run: (x=0.5) => 0.4107812905029087
; grad: x => -4.95669946591047
(define (compose f g) (lambda (v) (f (g v))))
((compose sin (compose exp (lambda (v) (* 2 v)))) x)
