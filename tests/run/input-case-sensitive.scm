; run: (X=5 x=2) => 3
; grad: X => 1
; grad: x => -1
(- X x)
