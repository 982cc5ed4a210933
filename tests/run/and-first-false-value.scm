; run: () => 0
(and 1 0 5)
