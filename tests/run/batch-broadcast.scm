; run: (x=[1 2 3] k=3) => [3 6 9]
; grad: k => 6
; grad: x => [3 3 3]
; run: (x=2 k=[1 2]) => [2 4]
; grad: x => 3
; grad: k => [2 2]
; run: (x=[2] k=3) => [6]
; grad: x => [3]
(* k x)
