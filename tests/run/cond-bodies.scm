; run: (x=5) => 10
; run: (x=-5) => -15
(cond ((> x 0) 1 2 (* 2 x)) (else 3 (* 3 x)))
