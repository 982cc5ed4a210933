; error: COMPILE 2:2 call/cc
(call/cc (lambda (k) (k 1)))
