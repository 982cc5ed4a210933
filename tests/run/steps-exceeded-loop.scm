; run: (x=1) => error: step
(loop ((i x)) (if (< i 0) i (recur (+ i 1))))
