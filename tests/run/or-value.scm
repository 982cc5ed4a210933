; run: (x=3 y=8) => 3
; grad: x => 1
; grad: y => 0
; run: (x=0 y=8) => 8
; grad: x => 0
; grad: y => 1
; run: (x=[3 0] y=8) => [3 8]
; grad: x => [1 0]
; grad: y => 1
(or x y)
