; run: (x=9) => 3
; grad: x => 0.16666666666666666
(cond (x => sqrt) (else 100))
