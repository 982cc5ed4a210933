; run: (n=[0 1 3 10] k=2) => [0 2 12 110]
; grad: k => 62
; grad: n => [0 0 0 0]
; Every element has its own trip count.
(loop ((i 0) (acc 0))
  (if (>= i n) acc (recur (+ i 1) (+ acc (* k (+ i 1))))))
