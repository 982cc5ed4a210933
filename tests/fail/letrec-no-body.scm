; error: COMPILE 2:1 letrec
(letrec ((a 1)))
