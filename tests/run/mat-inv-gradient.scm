; run: (x=2) => 1
; grad: x => -0.4
(trace (inv (mat [x 1] [1 3])))
