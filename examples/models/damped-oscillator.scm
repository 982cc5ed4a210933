; An oscillator that comes to rest: its place at a time, started at x0 without speed. Underdamped only.
(parameter omega 2 0.01 100)
(parameter damping 0.1 0 10)
(parameter x0 1)

(let ((ringing (sqrt (- (square omega) (square damping)))))
  (* x0
     (exp (- (* damping time)))
     (+ (cos (* ringing time))
        (* (/ damping ringing) (sin (* ringing time))))))
