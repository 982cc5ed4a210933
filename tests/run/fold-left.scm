; run: () => (((0 1) 2) 3)
(fold-left list 0 '(1 2 3))
