; run: (x=0) => 1
; grad: x => 0
; run: (x=5) => 1
; grad: x => 0
; run: (x=-5) => 1
; run: (x=+inf.0) => 1
(expt x 0)
