; run: (x=[1 4 -2]) => [1 10 -1]
; grad: x => [1 4 0]
; For a negative x the recursion would never end.
(define (tri n) (if (= n 0) 0 (+ n (tri (- n 1)))))
(if (< x 0) -1 (tri x))
