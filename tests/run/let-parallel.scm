; run: (x=3) => 13
; grad: x => 1
(let ((x 10) (y x)) (+ x y))
