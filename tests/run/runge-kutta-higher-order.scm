; run: (y=1 t=0.2) => 1.3799487868320648
; grad: y => 0.8556384599073955
; grad: k => 0.42781821096784034
; grad: t => 1.7112728438713614
(parameter k 0.8)
(define (rk4 f y h)
  (let* ((k1 (f y)) (k2 (f (+ y (* 0.5 h k1)))) (k3 (f (+ y (* 0.5 h k2)))) (k4 (f (+ y (* h k3)))))
    (+ y (* (/ h 6) (+ k1 (* 2 k2) (* 2 k3) k4)))))
(let go ((i 0) (v y))
  (if (= i 5) v (go (+ i 1) (rk4 (lambda (u) (* k u (- 1 (* 0.5 u)))) v t))))
