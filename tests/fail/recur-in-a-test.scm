; error: COMPILE 2:19 recur
(loop ((i 0)) (if (recur (+ i 1)) 1 2))
