; Ultrasonic calibration: the response at a metal distance x.
; NIST StRD nonlinear regression, problem Chwirut2; the initial values are its start 1.
(parameter b1 0.1)
(parameter b2 0.01)
(parameter b3 0.02)

(/ (exp (- (* b1 x)))
   (+ b2 (* b3 x)))
