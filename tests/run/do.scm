; run: (x=2) => 12
; grad: x => 6
(do ((i 0 (+ i 1)) (acc 0 (+ acc (* i x)))) ((= i 4) acc))
