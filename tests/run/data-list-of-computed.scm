; run: (x=2) => (2.0 4.0 (8.0))
(list x (* x x) (list (* x x x)))
