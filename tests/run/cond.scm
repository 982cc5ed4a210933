; run: (x=-3) => 3
; grad: x => -1
; run: (x=0.5) => 0.25
; grad: x => 1
; run: (x=4) => 7
; grad: x => 2
; run: (x=[-3 0.5 4]) => [3 0.25 7]
; grad: x => [-1 1 2]
(cond ((< x 0) (- x))
      ((< x 1) (* x x))
      (else (- (* 2 x) 1)))
