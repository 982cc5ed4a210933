; run: () => 10
(let loop ((i 0)) (if (>= i 10) i (loop (+ i 1))))
