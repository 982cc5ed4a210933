; run: (pi=3) => 6
; grad: pi => 2
; There is no built-in pi: the name is an input like any other.
(* 2 pi)
