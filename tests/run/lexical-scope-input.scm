; run: (x=1) => 11
; grad: x => 1
(define (f y) (+ x y))
(let ((x 100)) (f 10))
