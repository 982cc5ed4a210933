; run: (x=5) => 11
; grad: x => 2
((lambda (a b) (+ (* a b) 1)) x 2)
