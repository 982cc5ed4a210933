; run: (a=1 b=5 c=3) => 1
; grad: a => 1
; grad: b => 0
; run: (a=-inf.0 b=5 c=3) => -inf.0
(min a b c)
