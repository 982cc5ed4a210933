; run: (x=2) => 9
; grad: x => 10
(dot [1 2 3] (cross [x 1 0] [0 x 1]))
