; error: COMPILE 3:6 k
(define k 3)
(+ 1 (k 2))
