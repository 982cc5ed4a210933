; run: (x=2) => 10
; grad: x => 5
(define (y f) ((lambda (g) (g g)) (lambda (g) (f (lambda (v) ((g g) v))))))
((y (lambda (self) (lambda (n) (if (= n 0) 0 (+ x (self (- n 1))))))) 5)
