; run: (x=-3) => 9
; grad: x => -6
; run: (x=3) => #f
(unless (> x 0) 1 (* x x))
