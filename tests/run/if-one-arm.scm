; run: (x=2) => 4
; grad: x => 2
; run: (x=-2) => 0
; grad: x => 0
; run: (x=[2 -2]) => [4 0]
; grad: x => [2 0]
; The missing arm is #f, which counts as 0.
(+ 0 (if (> x 0) (* 2 x)))
