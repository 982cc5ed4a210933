; run: (x=0 k=0) => 1
; run: (x=0 k=-0.) => 1
(expt x k)
