; run: (x=2) => 8
(define (twice f v) (f (f v 2) 2))
(twice * x)
