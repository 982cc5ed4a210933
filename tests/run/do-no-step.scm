; run: (x=3) => 15
; grad: x => 5
(do ((i 0 (+ i 1)) (k x) (acc 0 (+ acc k))) ((= i 5) acc))
