; run: (x=2.2) => 3
; grad: x => 0
; run: (x=-2.7) => -2
; run: (x=+nan.0) => +nan.0
(ceiling x)
