; error: COMPILE 2:1 "cross" needs two vectors of 3 numbers
(cross [1 2] [3 4])
