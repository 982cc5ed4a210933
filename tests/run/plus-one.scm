; run: (x=2.5) => 2.5
; grad: x => 1
(+ x)
