; error: COMPILE 2:6 "vec" takes numbers
(ref [[1 2] [3 4]] 0)
