; run: (a=1 b=0 c=5) => 5
; run: (a=1 b=2 c=5) => 2
; run: (a=0 b=2 c=0) => 0
(or (and a b) c)
