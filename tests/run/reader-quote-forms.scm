; run: () => 1
(if (quote (a . (b c))) 1 2)
