; run: () => #f
(cond (#f 1) (0 2))
