; run: () => #f
(if #f 1)
