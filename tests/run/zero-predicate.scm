; run: (x=0) => #t
; run: (x=-0.) => #t
; run: (x=1e-30) => #f
; run: (x=+nan.0) => #f
(zero? x)
