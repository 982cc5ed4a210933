; run: () => (4 (5) 9)
(list (cadddr '(1 2 3 4)) (cddddr '(1 2 3 4 5)) (caaddr '(1 2 (9))))
