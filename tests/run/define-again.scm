; run: () => 3
; Top-level forms run in order.
(define a 1)
(define b a)
(define a 2)
(+ a b)
