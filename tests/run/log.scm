; run: (x=1) => 0
; grad: x => 1
; run: (x=10) => 2.302585092994046
; grad: x => 0.1
; run: (x=0) => -inf.0
; run: (x=-1) => +nan.0
; run: (x=1e-30) => -69.07755278982137
; run: (x=+inf.0) => +inf.0
(log x)
