; error: COMPILE 2:1 "ref" needs a vector or a matrix, not a number
(ref x 0)
