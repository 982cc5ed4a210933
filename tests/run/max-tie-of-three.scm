; run: (a=2 b=2 c=2) => 2
; grad: a => 0.3333333333333333
; grad: b => 0.3333333333333333
; grad: c => 0.3333333333333333
; run: (a=2 b=1 c=2) => 2
; grad: a => 0.5
; grad: b => 0
; grad: c => 0.5
; The derivative is shared equally by all that tie.
(max a b c)
