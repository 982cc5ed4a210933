; error: COMPILE 2:35 recur
(loop ((i 0) (a 1)) (if (> i 3) a (recur (+ i 1))))
