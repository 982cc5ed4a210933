; run: () => -3333
(+ (* 1000 (quotient -7 2)) (* 100 (quotient 7 -2)) (* 10 (quotient -7 2)) (quotient 7 -2))
