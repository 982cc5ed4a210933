; run: () => 297
(+ (* 100 (modulo -13 4)) (modulo 13 -4) (modulo 12 -4))
