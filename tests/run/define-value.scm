; run: (x=2) => 14
; grad: x => 5
(define a (* 2 x))
(define b (+ a x 4))
(+ a b)
