; error: COMPILE 2:1 cannot take a vector of 2 numbers
(< [1 2] 3)
