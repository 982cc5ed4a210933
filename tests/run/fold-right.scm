; run: () => (1 (2 (3 0)))
(fold-right list 0 '(1 2 3))
