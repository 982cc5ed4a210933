; run: (x=2) => 25
; grad: x => 40
(define (f a)
  (define b (* a a))
  (define (g c) (+ b c))
  (square (g 1)))
(f x)
