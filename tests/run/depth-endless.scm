; run: (x=1) => error: depth
(define (f n) (+ 1 (f (+ n 1))))
(f x)
