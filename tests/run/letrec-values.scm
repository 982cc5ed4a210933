; run: () => 2
(letrec ((a 1) (b (lambda () (+ a 1)))) (b))
