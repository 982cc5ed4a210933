; error: COMPILE 3:1 declared as an input already
(input x 2)
(define x 3)
(+ x 1)
