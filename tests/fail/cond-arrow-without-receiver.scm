; error: COMPILE 2:7 =>
(cond ((+ x 1) =>) (else 2))
