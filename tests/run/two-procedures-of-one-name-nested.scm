; run: (x=1) => 21
(define (g a) (* 10 a))
(define (f a)
  (define (g b) (+ b a))
  (+ (g 0) (h a)))
(define (h a) (g (+ a a)))
(f x)
