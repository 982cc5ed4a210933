; run: () => 3
(+ (if sin 1 10) (if (lambda (x) x) 2 20))
