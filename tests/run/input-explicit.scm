; run: (a=7 b=2) => 5
; grad: a => 1
; grad: b => -1
(input b)
(input a)
(- a b)
