; run: (x=0) => #f
; run: (x=2) => #t
; run: (x=-2) => #f
; run: (x=+inf.0) => #t
; run: (x=+nan.0) => #f
(positive? x)
