; run: (x=2) => 32
; grad: x => 80
; run: (x=[1 2 -1]) => [1 32 -1]
; grad: x => [5 80 5]
(define (power b n) (if (= n 0) 1 (* b (power b (- n 1)))))
(power x 5)
