; run: () => 24
(letrec* ((fact (lambda (n) (if (= n 0) 1 (* n (fact (- n 1)))))) (v (fact 4))) v)
