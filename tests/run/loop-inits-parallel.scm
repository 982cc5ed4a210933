; run: (x=7) => 17
; The second init sees the outer x.
(loop ((x 10) (y x)) (if (> x 0) (+ x y) (recur x y)))
