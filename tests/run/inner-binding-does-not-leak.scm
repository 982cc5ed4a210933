; run: (y=7) => 15
; grad: y => 1
(+ (let ((y 3)) (+ y 5)) y)
