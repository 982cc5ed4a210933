; run: (x=0.5) => 0.5210953054937474
; grad: x => 1.1276259652063807
; run: (x=1e-8) => 1e-08
; grad: x => 1
; run: (x=-20) => -242582597.70489514
; grad: x => 242582597.70489514
; run: (x=0.001) => 0.001000000166666675
; run: (x=1000) => +inf.0
; run: (x=-1000) => -inf.0
; Accurate near 0, where exp(x) - exp(-x) cancels.
(sinh x)
