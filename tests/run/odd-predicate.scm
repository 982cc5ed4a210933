; run: (x=0) => #f
; run: (x=3) => #t
; run: (x=-3) => #t
; run: (x=4) => #f
(odd? x)
