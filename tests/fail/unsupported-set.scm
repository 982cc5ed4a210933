; error: COMPILE 3:9 set!
(define a 1)
(begin (set! a 2) a)
