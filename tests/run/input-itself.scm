; run: (x=2.5) => 2.5
; grad: x => 1
; run: (x=[1 +inf.0 +nan.0]) => [1 +inf.0 +nan.0]
x
