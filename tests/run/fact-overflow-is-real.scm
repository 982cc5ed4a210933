; run: () => 51090942171709440000
(define (fact n) (if (= n 0) 1 (* n (fact (- n 1)))))
(fact 21)
