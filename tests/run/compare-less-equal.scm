; run: (a=1 b=1 c=2) => #t
; run: (a=1 b=2 c=1) => #f
; run: (a=+nan.0 b=1 c=2) => #f
(<= a b c)
