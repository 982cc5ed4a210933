; run: () => (10 30 (20 30) ())
(let ((p '(10 20 30))) (list (list-ref p 0) (list-ref p 2) (list-tail p 1) (list-tail p 3)))
