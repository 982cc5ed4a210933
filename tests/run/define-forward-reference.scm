; run: () => 4
; c is not an input: it is defined before the call.
(define (f x) (+ x c))
(define c 3)
(f 1)
