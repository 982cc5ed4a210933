; run: () => #f
(or)
