; run: (a=7 b=2) => 7
; grad: b => 0
; run: (a=[1 2 3] b=2) => [1 2 3]
; grad: b => 0
(input a)
(input b)
a
