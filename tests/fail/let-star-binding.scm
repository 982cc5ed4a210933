; error: COMPILE 2:14 let*
(let* ((a 1) (b a 2)) b)
