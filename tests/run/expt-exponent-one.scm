; run: (x=0) => 0
; grad: x => 1
; run: (x=-3) => -3
; grad: x => 1
(expt x 1)
