; run: (n=[1 2 3]) => [2 2.5 2.8333333333333335]
; grad: n => [0 0 0]
; For n = 1 a further round would divide by 0.
(loop ((i 1) (acc 1))
  (if (> i n) acc (recur (+ i 1) (+ acc (if (> i n) (/ 1 0.) (/ 1 i))))))
