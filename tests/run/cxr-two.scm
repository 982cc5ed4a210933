; run: () => (1 4 (2) (3))
(let ((p '((1 2) 4))) (list (caar p) (cadr p) (cdar p) (cddr '(1 2 3))))
