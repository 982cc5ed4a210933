; run: () => (#t #t #t #t #t #t #t)
(list (eqv? (+ 1 2) 3) (eqv? (- 5) -5) (eqv? (quotient 7 2) 3) (eqv? (remainder 7 2) 1)
      (eqv? (modulo -7 2) 1) (eqv? (abs -3) 3) (eqv? (max 1 2) 2))
