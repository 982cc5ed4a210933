; run: () => error: matmul
(matmul (mat [1 2 3] [4 5 6]) (mat [1 2] [3 4]))
