; run: (b=100) => 111
; grad: b => 1
; The b outside f is an input, not f's b.
(define (f a)
  (define b 10)
  (+ a b))
(+ (f 1) b)
