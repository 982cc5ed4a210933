; run: () => #t
(and)
