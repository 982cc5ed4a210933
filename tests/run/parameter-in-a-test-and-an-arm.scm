; run: (x=[1 9]) => [5 27]
; grad: a => 1
(parameter a 5)
(if (< x a) (* a x) (* 3 x))
