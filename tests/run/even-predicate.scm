; run: (x=0) => #t
; run: (x=2) => #t
; run: (x=-3) => #f
; run: (x=-4) => #t
(even? x)
