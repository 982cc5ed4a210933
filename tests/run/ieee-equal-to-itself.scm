; run: (x=+nan.0) => #f
; run: (x=1) => #t
(= x x)
