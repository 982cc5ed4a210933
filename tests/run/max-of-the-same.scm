; run: (x=3) => 9
; grad: x => 3
(* 3 (max x x))
