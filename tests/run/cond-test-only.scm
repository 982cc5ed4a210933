; run: (x=5) => 5
; grad: x => 1
; run: (x=0) => 7
(cond (x) (else 7))
