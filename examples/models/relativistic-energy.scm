; Kinetic energy of a mass at a speed, by special relativity. Below a thousandth of c the exact formula cancels,
; so the first two terms of its series take over; `if` differentiates the arm that is taken.
(parameter c 299792458)

(let ((ratio (square (/ speed c))))
  (if (< ratio 1e-6)
      (* 0.5 mass (square speed) (+ 1 (* 0.75 ratio)))
      (* mass (square c) (- (/ 1 (sqrt (- 1 ratio))) 1))))
