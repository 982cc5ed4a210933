; run: () => 10
; An exact counter meets 10 without a rounding error.
(loop ((i 0)) (if (= i 10) i (recur (+ i 1))))
