; run: (x=3) => 27
; grad: x => 27
; run: (x=-2) => -8
; grad: x => 12
; run: (x=0) => 0
; grad: x => 0
; run: (x=[-1 0 2]) => [-1 0 8]
; grad: x => [3 0 12]
(expt x 3)
