; run: (x=2) => 1.4142135623730951
; grad: x => 0.3535533905932738
; run: (x=0) => 0
; run: (x=-1) => +nan.0
; run: (x=+inf.0) => +inf.0
; run: (x=1e-20) => 1e-10
; grad: x => 5e9
(sqrt x)
