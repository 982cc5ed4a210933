; run: () => (4 3 2 1 0)
(do ((i 0 (+ i 1)) (acc '() (cons i acc))) ((= i 5) acc))
