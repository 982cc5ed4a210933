; run: () => 1024
(loop ((i 0) (v 1))
  (let ((w (* 2 v)) (j (+ i 1)))
    (if (> j 10) v (recur j w))))
