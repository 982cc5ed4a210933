; run: (a=3 b=2 c=1) => #t
; run: (a=3 b=1 c=2) => #f
; run: (a=3 b=3 c=1) => #f
; run: (a=+inf.0 b=0 c=-inf.0) => #t
(> a b c)
