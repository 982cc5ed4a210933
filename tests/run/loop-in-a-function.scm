; run: (x=2) => 10.105661375661375
; grad: x => 8.742879188712521
(define (series v n)
  (loop ((i 1) (term 1) (acc 1))
    (if (> i n) acc (recur (+ i 1) (/ (* term v) i) (+ acc (/ (* term v) i))))))
(+ (series x 10) (series (* 0.5 x) 5))
