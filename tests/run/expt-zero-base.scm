; run: (x=0 k=2) => 0
; grad: x => 0
; grad: k => 0
; run: (x=0 k=2.5) => 0
; grad: x => 0
; grad: k => 0
; x^k is 0 for every k > 0, so its derivative by k is 0, not NaN.
(expt x k)
