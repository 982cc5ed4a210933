; what only one arm needs is computed there; the gradient is masked at its border
(parameter a 2)
(define (safe x) (if (= x 0) 1 (/ (sin (* a x)) x)))
(cond ((> x 10) (safe (- x 10)))
      ((< x 0) => (lambda (flag) (+ flag x)))
      (else (max x (safe x) 1)))
