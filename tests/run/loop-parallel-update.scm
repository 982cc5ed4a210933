; run: () => 55
; recur gives all new values at once.
(loop ((i 0) (a 0) (b 1))
  (if (= i 10) a (recur (+ i 1) b (+ a b))))
