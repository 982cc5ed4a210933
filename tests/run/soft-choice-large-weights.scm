; run: (x=3) => 6
; grad: x => 2
; The softmax does not overflow.
(soft-choice ((+ x x) (* x x)) [2000 0])
