; run: (x=3) => 15
; grad: x => 8
(let ((a (* x x)) (b (* 2 x))) (+ a b))
