; Thermal expansion of copper at a temperature x in kelvin: a cubic over a cubic.
; NIST StRD nonlinear regression, problem Hahn1; the initial values are its start 1.
(parameter b1 10)
(parameter b2 -1)
(parameter b3 0.05)
(parameter b4 -1e-05)
(parameter b5 -0.05)
(parameter b6 0.001)
(parameter b7 -1e-06)

(define (horner coefficients)
  (if (null? coefficients)
      0
      (+ (car coefficients) (* x (horner (cdr coefficients))))))
(/ (horner (list b1 b2 b3 b4))
   (horner (list 1 b5 b6 b7)))
