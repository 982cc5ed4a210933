; error: COMPILE 2:6 lambda
(+ 1 (lambda))
