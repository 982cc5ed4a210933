; error: COMPILE 2:1 define
(define a 1 2)
a
