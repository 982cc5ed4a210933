; error: COMPILE 2:14 a
(let ((a 1) (a 2)) a)
