; run: (a=2 b=3 c=5) => 60
; grad: a => 30
; grad: b => 20
; grad: c => 12
; run: (a=0 b=3 c=5) => 0
; grad: a => 30
; grad: b => 0
(* a b c 2)
