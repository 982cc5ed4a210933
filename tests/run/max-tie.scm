; run: (a=2 b=2) => 2
; grad: a => 0.5
; grad: b => 0.5
; run: (a=[2 3] b=[2 1]) => [2 3]
; grad: a => [0.5 1]
; grad: b => [0.5 0]
(max a b)
