; run: (x=3) => 9
; grad: x => 6
; run: (x=-1.5) => 2.25
; grad: x => -3
(square x)
