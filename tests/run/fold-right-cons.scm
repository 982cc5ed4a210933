; run: () => (2 4 6)
(fold-right (lambda (v acc) (cons (* 2 v) acc)) '() '(1 2 3))
