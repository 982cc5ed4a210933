; run: () => 6
((lambda args (apply * args)) 1 2 3)
