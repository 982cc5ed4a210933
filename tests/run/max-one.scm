; run: (x=4) => 4
; grad: x => 1
(max x)
