; run: (x=-2 k=3) => -8
; grad: x => 12
; run: (x=-2 k=2) => 4
; grad: x => -4
; run: (x=-2 k=0.5) => +nan.0
(expt x k)
