; The period in seconds of a pendulum with an arm in metres that swings out to an angle in radians.
; The exact period is 2 pi sqrt(arm / g) / agm(1, cos(angle / 2)); eight steps of the mean are more than doubles need.
(parameter g 9 0 20)

(define pi 3.141592653589793)
(define (agm a b steps)
  (if (= steps 0)
      a
      (agm (/ (+ a b) 2) (sqrt (* a b)) (- steps 1))))
(/ (* 2 pi (sqrt (/ arm g)))
   (agm 1 (cos (/ angle 2)) 8))
