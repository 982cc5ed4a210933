; run: (x=1) => error: step
(define (f n) (if (< n 0) n (f (+ n 1))))
(f x)
