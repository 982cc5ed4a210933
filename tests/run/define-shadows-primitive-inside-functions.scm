; run: (x=3) => 31
(define (f y) (+ 1 (sin y)))
(define (sin y) (* y 10))
(f x)
