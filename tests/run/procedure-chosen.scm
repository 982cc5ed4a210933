; run: (x=3 k=2) => 9
; grad: x => 6
; run: (x=-3 k=2) => -6
; grad: x => 2
; grad: k => -3
((if (> x 0) (lambda (v) (* v v)) (lambda (v) (* k v))) x)
