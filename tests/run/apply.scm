; run: (x=2) => 12
; grad: x => 1
(apply + x 1 '(2 3 4))
