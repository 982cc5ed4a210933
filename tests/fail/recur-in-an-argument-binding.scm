; error: COMPILE 2:24 recur
(loop ((i 0)) (let ((a (recur (+ i 1)))) a))
