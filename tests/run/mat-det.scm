; run: (x=2) => -2
; grad: x => -3
(det (mat [1 x] [3 4]))
