; run: (x=+inf.0) => +nan.0
; run: (x=+nan.0) => +nan.0
; run: (x=5) => 0
(* 0. x)
