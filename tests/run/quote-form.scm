; run: () => (if (> x 0) x)
(quote (if (> x 0) x))
