; run: () => 32
(fold-left (lambda (acc a b) (+ acc (* a b))) 0 '(1 2 3) '(4 5 6))
