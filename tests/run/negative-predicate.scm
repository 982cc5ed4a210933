; run: (x=0) => #f
; run: (x=-0.) => #f
; run: (x=-2) => #t
; run: (x=2) => #f
(negative? x)
