; error: COMPILE 3:6 3
(define k 3)
(+ 1 (k 2))
