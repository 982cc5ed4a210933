; run: () => (2 4)
(filter even? '(1 2 3 4 5))
