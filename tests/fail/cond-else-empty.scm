; error: COMPILE 2:19 else
(cond ((> x 0) 2) (else))
