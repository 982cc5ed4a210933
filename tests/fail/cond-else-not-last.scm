; error: COMPILE 2:7 else
(cond (else 1) ((> x 0) 2))
