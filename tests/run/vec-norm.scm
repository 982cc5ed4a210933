; run: (x=3) => 5
; grad: x => 0.6
(norm [x 4])
