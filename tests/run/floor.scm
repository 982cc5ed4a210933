; run: (x=2.7) => 2
; grad: x => 0
; run: (x=-2.2) => -3
; run: (x=3) => 3
; grad: x => 0
; run: (x=-inf.0) => -inf.0
; run: (x=[0.5 -0.5]) => [0 -1]
; grad: x => [0 0]
(floor x)
