; run: (x=2) => 0.25
; grad: x => -0.25
; run: (x=-2) => 0.25
; grad: x => 0.25
; run: (x=0) => +inf.0
(expt x -2)
