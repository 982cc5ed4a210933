; run: (x=2) => 22
; grad: x => 13
(dot [x 1 x] [3 (* 2 x) (+ x 4)])
