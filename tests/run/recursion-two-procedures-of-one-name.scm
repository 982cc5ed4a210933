; run: () => 1015
(define (f n) (define (go i) (if (= i 0) 0 (+ i (go (- i 1))))) (go n))
(define (g n) (define (go i) (if (= i 0) 1000 (go (- i 1)))) (go n))
(+ (f 5) (g 5))
