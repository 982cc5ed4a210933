; error: COMPILE 2:1 cdr
(cdr '())
