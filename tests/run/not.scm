; run: (x=0) => #t
; run: (x=2) => #f
; run: (x=+nan.0) => #f
; run: (x=[0 1]) => [#t #f]
(not x)
