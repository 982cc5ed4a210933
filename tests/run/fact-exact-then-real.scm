; run: () => 1
; 20! fits 64 bits exactly.
(define (fact n) (if (= n 0) 1 (* n (fact (- n 1)))))
(if (= (fact 20) 2432902008176640000) (if (= (remainder (- (fact 20) 1) 10) 9) 1 2) 3)
