; run: (x=3) => 3
; grad: x => 1
; run: (x=-3) => 0
; grad: x => 0
; run: (x=0) => 0
; run: (x=1e30) => 1e30
; run: (x=-inf.0) => 0
; run: (x=[-2 5]) => [0 5]
; grad: x => [0 1]
(relu x)
