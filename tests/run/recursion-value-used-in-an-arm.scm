; run: (z=2) => 5
; grad: z => 1
; A call whose value an arm gives is no tail call.
(define (f l) (if (null? l) z (let ((r (f (cdr l)))) (+ (if (< r 1) r 3) r))))
(f '(0.5))
