; run: (x=2) => 15
; grad: x => 6
(+ (vlen [1 2 3]) (vsum (scale [1 2 3] x)))
