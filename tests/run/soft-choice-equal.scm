; run: (x=4) => 10
; grad: x => 2.5
(soft-choice (x (* 4 x)) [1 1])
