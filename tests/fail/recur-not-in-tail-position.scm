; error: COMPILE 2:34 recur
(loop ((i 0)) (if (> i 3) i (+ 1 (recur (+ i 1)))))
