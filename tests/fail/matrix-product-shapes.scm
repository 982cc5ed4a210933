; error: COMPILE 2:1 "matmul": a 2 by 3 matrix and a 2 by 2 matrix do not fit
(matmul (mat [1 2 3] [4 5 6]) (mat [1 2] [3 4]))
