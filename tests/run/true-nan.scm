; run: (x=+nan.0) => 1
; run: (x=0) => 2
; NaN is not a zero, so it is true.
(if x 1 2)
