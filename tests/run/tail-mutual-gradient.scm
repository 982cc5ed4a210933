; run: (x=2) => 26
; grad: x => 27
(define (f n y) (if (= n 0) y (g (- n 1) (* x y))))
(define (g n y) (if (= n 0) y (f (- n 1) (+ x y 1))))
(f 4 (+ x 2.25))
