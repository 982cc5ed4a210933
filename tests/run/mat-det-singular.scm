; run: (x=4) => 0
; grad: x => 1
; run: (x=[4 5]) => [0 1]
; grad: x => [1 1]
; The derivative by cofactors is right where the matrix has no inverse.
(det (mat [1 2] [2 x]))
