; run: () => (3 1 (3 4) c)
(list (caddr '(1 2 3 4)) (caaar '(((1)))) (cddr '(1 2 3 4)) (cadar '((a c))))
