; run: (q1=2 q2=3 r=2) => 13.5
; grad: k => 1.5
; grad: q1 => 6.75
; grad: r => -13.5
; run: (q1=[1 2 3] q2=[1 1 2] r=[1 2 4] k=8) => [8 4 3]
; grad: k => 1.875
; grad: r => [-16 -4 -1.5]
(parameter k 9)
(/ (* k (* q1 q2)) (* r r))
