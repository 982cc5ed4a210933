; error: COMPILE 2:7 else
(+ 1 (else 2))
