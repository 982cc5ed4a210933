; run: (x=0) => +nan.0
; run: (x=+inf.0) => +nan.0
; run: (x=3) => 1
; grad: x => 0
(/ x x)
