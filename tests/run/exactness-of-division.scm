; run: () => (#t #t #f)
(list (eqv? (/ 6 3) 2) (eqv? (* 2 3) 6) (eqv? (/ 6. 3) 2))
