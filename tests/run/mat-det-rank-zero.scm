; run: (x=0) => 0
; grad: x => 0
(det (mat [x 0] [0 x]))
