; error: COMPILE 2:2 vector-set!
(vector-set! [1 2] 0 3)
