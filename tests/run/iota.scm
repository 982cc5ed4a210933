; run: () => ((0 1 2 3) (5 6 7) (1 3 5) ())
(list (iota 4) (iota 3 5) (iota 3 1 2) (iota 0))
