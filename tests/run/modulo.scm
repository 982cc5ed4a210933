; run: (a=13 b=4) => 1
; run: (a=-13 b=4) => 3
; run: (a=13 b=-4) => -3
; run: (a=-13 b=-4) => -1
; run: (a=-7.5 b=2) => 0.5
; grad: a => 1
; grad: b => 4
; run: (a=5.5 b=-2) => -0.5
; grad: b => 3
; The modulo has the sign of the divisor.
(modulo a b)
