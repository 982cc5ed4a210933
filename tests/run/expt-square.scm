; run: (x=-3) => 9
; grad: x => -6
; run: (x=0) => 0
; grad: x => 0
(expt x 2)
