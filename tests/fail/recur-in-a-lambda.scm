; error: COMPILE 3:42 recur
; The body of a procedure is not in tail position of the loop around it.
(loop ((i 0)) (if (> i 3) i ((lambda (j) (recur j)) (+ i 1))))
