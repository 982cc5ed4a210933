; run: (x=[1 3]) => [0.5 1.9]
; grad: x => [0.5 0.5]
; The first element stops before its first round: nothing of the rounds of the second may leak into it.
(loop ((i 0) (v (/ x 2)))
  (if (>= i (- x 1)) v (recur (+ i 1) (+ v (/ (- 3 i) (* 10 (+ i 1)))))))
