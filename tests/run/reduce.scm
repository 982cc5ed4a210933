; run: () => (10 7 99 5)
(list (reduce + 0 '(1 2 3 4)) (reduce max 0 '(3 7 2)) (reduce + 99 '()) (reduce + 99 '(5)))
