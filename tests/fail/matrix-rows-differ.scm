; error: COMPILE 2:1 "mat": a vector of 2 numbers and a vector of 1 number do not fit
(mat [1 2] [3])
