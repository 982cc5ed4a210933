; run: (x=3) => 3
; grad: x => 1
; run: (x=-3) => 3
; grad: x => -1
; run: (x=0) => 0
; grad: x => 0
; run: (x=-inf.0) => +inf.0
; run: (x=[-1.5 0 2]) => [1.5 0 2]
; grad: x => [-1 0 1]
(abs x)
