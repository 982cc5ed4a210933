; run: (x=0) => 5
; grad: x => 0
; run: (x=2) => 0.5
; grad: x => -0.25
; run: (x=[0 2]) => [5 0.5]
; grad: x => [0 -0.25]
(let* ((r (/ 1 x)) (safe (if (= x 0) 5 r))) safe)
