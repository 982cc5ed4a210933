; run: () => (1 . 2)
(cons 1 2)
