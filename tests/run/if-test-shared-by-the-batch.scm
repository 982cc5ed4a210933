; run: (x=[1 2] n=1) => [1 4]
; grad: x => [2 4]
; grad: n => 0
; run: (x=[0 2] n=0) => [+inf.0 0.5]
; The test is the same for the whole batch: one arm runs, and it is not masked.
(if (= n 1) (* x x) (/ 1 x))
