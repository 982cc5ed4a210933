; error: COMPILE 2:10 if
(let ((f if)) (f 1 2 3))
