; run: () => 2
(if #f 1 2)
