; run: (x=3) => 1.5
; grad: k => 3
(parameter k 0.5 0 1)
(* k x)
