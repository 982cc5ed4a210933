; run: (x=2) => 12
; run: (x=-2) => 8
; run: (x=[2 -2]) => [12 8]
; grad: x => [1 1]
; The key is an exact integer chosen by data.
(+ 10 (case (if (> x 0) 1 2) ((1) x) ((2) x) (else 99)))
