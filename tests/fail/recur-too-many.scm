; error: COMPILE 2:29 recur
(loop ((i 0)) (if (> i 3) i (recur (+ i 1) 2)))
