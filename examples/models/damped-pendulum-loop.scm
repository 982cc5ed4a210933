; A pendulum that comes to rest, filmed with twenty frames a second,
;   theta'' = -(g / arm) sin theta - drag theta'.
; Landau and Lifshitz, Mechanics, section 25, with the sine kept. The value is the angle in a frame, by a step of Runge
; and Kutta from frame to frame: the number of steps is that of the sample.
; Inputs: length of the arm (m), angle at which it is let go (radians), frame (a whole number).
; Parameters: g, acceleration of gravity (m/s^2); drag (1/s).
(input arm)
(input angle0)
(input frame)
(parameter g 9 1 30)
(parameter drag 0.1 0 5)

(define h 0.05)
(define (motion state)
  [(ref state 1)
   (- (* (- (/ g arm)) (sin (ref state 0)))
      (* drag (ref state 1)))])
(loop ((i 0) (y [angle0 0]))
  (if (< i frame)
      (let* ((k1 (motion y))
             (k2 (motion (+ y (* 0.5 h k1))))
             (k3 (motion (+ y (* 0.5 h k2))))
             (k4 (motion (+ y (* h k3)))))
        (recur (+ i 1) (+ y (* (/ h 6) (+ k1 (* 2 k2) (* 2 k3) k4)))))
      (ref y 0)))
