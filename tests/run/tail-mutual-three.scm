; run: () => 33
(define (a n acc) (if (= n 0) acc (b (- n 1) (+ acc 1))))
(define (b n acc) (if (= n 0) acc (c (- n 1) acc)))
(define (c n acc) (if (= n 0) acc (a (- n 1) acc)))
(a 99 0)
