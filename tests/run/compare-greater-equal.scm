; run: (a=2 b=2 c=1) => #t
; run: (a=2 b=1 c=2) => #f
; run: (a=2 b=1 c=+nan.0) => #f
(>= a b c)
