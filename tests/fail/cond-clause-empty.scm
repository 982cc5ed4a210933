; error: COMPILE 2:19 cond
(cond ((> x 0) 1) () (else 2))
