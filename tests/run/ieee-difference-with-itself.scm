; run: (x=+inf.0) => +nan.0
; run: (x=3) => 0
; grad: x => 0
(- x x)
