; run: () => -99
(+ (* 100 (remainder -13 4)) (remainder 13 -4) (remainder 12 4))
