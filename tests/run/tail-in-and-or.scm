; run: () => #t
(define (f n) (or (= n 0) (and (> n 0) (f (- n 1)))))
(f 100000)
