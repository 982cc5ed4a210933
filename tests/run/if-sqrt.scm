; run: (x=-4) => 0
; grad: x => 0
; run: (x=0) => 0
; grad: x => 0
; run: (x=4) => 2
; grad: x => 0.25
; run: (x=[-4 0 4]) => [0 0 2]
; grad: x => [0 0 0.25]
(if (> x 0) (sqrt x) 0)
