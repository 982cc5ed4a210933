; run: (x=2) => 72
; grad: x => 36
(loop ((i 1) (acc 0))
  (if (> i 3)
      acc
      (recur (+ i 1)
             (+ acc (loop ((j 1) (s 0)) (if (> j 3) s (recur (+ j 1) (+ s (* x i j)))))))))
