; run: (x=1) => 2
; grad: a => 0
; grad: x => 2
; run: (x=9) => 27
; grad: a => 0
; grad: x => 3
; run: (x=[1 9]) => [2 27]
; grad: a => 0
; grad: x => [2 3]
; A learnable constant inside a test gets exactly zero gradient.
(parameter a 5)
(if (< x a) (* 2 x) (* 3 x))
