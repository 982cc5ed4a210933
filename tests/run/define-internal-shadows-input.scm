; run: (x=5) => 55
; grad: x => 1
(define (f)
  (define x 50)
  x)
(+ (f) x)
