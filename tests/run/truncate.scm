; run: (x=2.7) => 2
; grad: x => 0
; run: (x=-2.7) => -2
; run: (x=1e20) => 1e20
(truncate x)
