; error: COMPILE 2:10 case
(case x (1 10) (else 20))
