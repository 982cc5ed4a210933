; run: () => (0 3 2)
(list (length '()) (length '(1 2 3)) (length '((1 2) (3))))
