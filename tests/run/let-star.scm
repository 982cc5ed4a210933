; run: (x=3) => 20
; grad: x => 0
(let* ((x 10) (y x)) (+ x y))
