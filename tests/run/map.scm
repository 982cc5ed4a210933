; run: (x=2) => (3.0 4.0 5.0)
(map (lambda (v) (+ v x)) '(1 2 3))
