; run: (a=13 b=4) => 1
; run: (a=-13 b=4) => -1
; run: (a=13 b=-4) => 1
; run: (a=-13 b=-4) => -1
; run: (a=-7.5 b=2) => -1.5
; grad: a => 1
; grad: b => 3
; The remainder has the sign of the dividend.
(remainder a b)
