; run: (a=1 b=2 c=3) => #t
; run: (a=1 b=3 c=2) => #f
; run: (a=2 b=1 c=3) => #f
; run: (a=1 b=1 c=2) => #f
; run: (a=1 b=+nan.0 c=2) => #f
(< a b c)
