; run: (a=1 b=1 c=1) => #t
; run: (a=1 b=1 c=2) => #f
; run: (a=1 b=2 c=2) => #f
; run: (a=2 b=1 c=2) => #f
; run: (a=+nan.0 b=+nan.0 c=+nan.0) => #f
; run: (a=0 b=-0. c=0) => #t
; run: (a=[1 2] b=1 c=[1 1]) => [#t #f]
(= a b c)
