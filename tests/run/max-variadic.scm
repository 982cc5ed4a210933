; run: (a=1 b=5 c=3) => 5
; grad: a => 0
; grad: b => 1
; grad: c => 0
; run: (a=[1 7] b=5 c=[9 2]) => [9 7]
; grad: a => [0 1]
; grad: b => 0
; grad: c => [1 0]
(max a b c)
