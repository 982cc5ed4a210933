; run: (x=3) => 6
; grad: k => 3
; grad: x => 2
; run: (x=3 k=5) => 15
(parameter k 2)
(* k x)
