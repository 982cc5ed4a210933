; run: (x=2.4) => 2
; grad: x => 0
; run: (x=2.6) => 3
; run: (x=0.5) => 0
; run: (x=1.5) => 2
; run: (x=2.5) => 2
; run: (x=3.5) => 4
; run: (x=-0.5) => 0
; run: (x=-1.5) => -2
; run: (x=-2.5) => -2
; grad: x => 0
; run: (x=-2.6) => -3
; run: (x=[0.5 1.5 2.5]) => [0 2 2]
; grad: x => [0 0 0]
; Ties go to even.
(round x)
