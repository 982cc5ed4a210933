; error: COMPILE 2:1 "+": a vector of 2 numbers and a vector of 3 numbers do not fit
(+ [1 2] [1 2 3])
