; run: (x=[1 2 3] y=[0 1 2]) => [1 5 13]
; grad: x => [2 4 6]
; grad: y => [0 2 4]
(dot [x y] [x y])
