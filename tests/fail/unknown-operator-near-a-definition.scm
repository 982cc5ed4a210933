; error: COMPILE 3:7 velocity
(define (velocity t) (* 9.81 t))
(+ 1 (velocty 2))
