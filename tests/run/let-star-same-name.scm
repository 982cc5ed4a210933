; run: (x=3) => 64
; grad: x => 32
(let* ((x (+ x 1)) (x (* x 2))) (* x x))
