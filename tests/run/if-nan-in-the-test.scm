; run: (x=+nan.0) => 2
; run: (x=[+nan.0 1]) => [2 1]
; A comparison with NaN is #f.
(if (> x 0) 1 2)
