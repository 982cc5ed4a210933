; run: () => (1 (2 3))
(apply (lambda (a . rest) (list a rest)) 1 '(2 3))
