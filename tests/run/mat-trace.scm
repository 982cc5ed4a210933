; run: (x=2) => 7
; grad: x => 1
(trace (mat [5 x] [1 x]))
