; run: (x=3) => 45
; grad: x => 15
(loop ((i 0) (acc 0))
  (if (= i 5) acc (recur (+ i 1) (+ acc (* x (+ i 1))))))
