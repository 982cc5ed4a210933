; run: () => 11
; f sees the x of its definition, not of its call.
(define x 1)
(define (f y) (+ x y))
(let ((x 100)) (f 10))
