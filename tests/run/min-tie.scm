; run: (a=2 b=2) => 2
; grad: a => 0.5
; grad: b => 0.5
(min a b)
