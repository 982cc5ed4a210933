; run: (a=1 b=2 c=3.5) => 16.5
; grad: a => 1
; grad: c => 1
; run: (a=[1 2] b=[10 20] c=0.5) => [21.5 32.5]
; grad: a => [1 1]
; grad: c => 2
(+ a b c 4 6)
