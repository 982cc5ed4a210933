; run: (a=10 b=2 c=3) => 4
; grad: a => 1
; grad: b => -1
; grad: c => -1
(- a b c 1)
