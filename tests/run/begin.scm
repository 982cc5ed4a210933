; run: (x=4) => 8
; grad: x => 2
(begin 1 (+ x 1) (* 2 x))
