; error: COMPILE 2:9 else
(case 1 (else 1) ((1) 2))
