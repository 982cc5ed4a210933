; error: COMPILE 2:1 "solve": a 2 by 2 matrix and a vector of 3 numbers do not fit
(solve (eye 2) [1 2 3])
