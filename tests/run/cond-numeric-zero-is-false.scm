; run: () => 2
(cond (0 1) (else 2))
