; run: (x=2 n=3) => 8
; grad: x => 12
; run: (x=2 n=[0 1 2 5]) => [1 2 4 32]
; grad: x => 85
; run: (x=[2 3 0.5] n=[3 2 0]) => [8 9 1]
; grad: x => [12 6 0]
; The depth hangs on the data, element by element.
(define (power b n) (if (<= n 0) 1 (* b (power b (- n 1)))))
(power x n)
