; run: (x=3) => 2.2
; grad: x => -0.064
(dot [1 2] (normalize [x 4]))
