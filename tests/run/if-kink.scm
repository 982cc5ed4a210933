; run: (x=[-1 0 1]) => [1 0 1]
; grad: x => [-1 1 1]
; At x = 0 the arm taken is the first, and its derivative counts.
(if (>= x 0) x (- x))
