; run: () => 5
(define (f n) (when (> n 0) (if (= n 5) n (f (- n 1)))))
(f 50000)
