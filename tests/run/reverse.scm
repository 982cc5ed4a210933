; run: () => ((3 2 1) ())
(list (reverse '(1 2 3)) (reverse '()))
