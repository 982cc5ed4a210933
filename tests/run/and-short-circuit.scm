; run: (x=0) => 0
; grad: x => 0
; run: (x=4) => 1
; run: (x=0.5) => 0
; run: (x=[0 4]) => [0 1]
; grad: x => [0 0]
(+ 0 (and (not (= x 0)) (< (/ 1 x) 1)))
