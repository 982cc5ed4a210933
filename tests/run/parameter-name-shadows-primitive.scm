; run: (x=2) => 8
(define (apply-it exp) (exp 4))
(* x (apply-it sqrt) (apply-it (lambda (v) (/ v 2))))
