; run: (x=3) => 6
; grad: x => 2
; run: (x=-3) => 0
; grad: x => 0
; run: (x=[-1 2]) => [0 4]
; grad: x => [0 2]
(* (> x 0) 2 x)
