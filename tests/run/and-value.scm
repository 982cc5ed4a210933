; run: (x=3) => 7
; grad: x => 1
; run: (x=-3) => #f
; run: (x=0) => #f
(and (> x 0) (+ x 4))
