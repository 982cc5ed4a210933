; run: () => error: +
(fold-left + 0 '(1 a 2))
