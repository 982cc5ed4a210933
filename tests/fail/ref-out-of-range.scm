; error: COMPILE 2:1 index 3 is not from 0 to 2 in a vector of 3 numbers
(ref [1 2 3] 3)
