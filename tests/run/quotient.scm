; run: (a=7 b=2) => 3
; run: (a=-7 b=2) => -3
; run: (a=7 b=-2) => -3
; run: (a=-7 b=-2) => 3
; run: (a=7.5 b=2) => 3
; grad: a => 0
; grad: b => 0
; run: (a=[8 -8] b=3) => [2 -2]
(quotient a b)
