; Scanning electron microscope line width standards: a quadratic over a quadratic.
; NIST StRD nonlinear regression, problem Kirby2; the initial values are its start 1.
(parameter b1 2)
(parameter b2 -0.1)
(parameter b3 0.003)
(parameter b4 -0.001)
(parameter b5 1e-05)

(define (horner coefficients)
  (if (null? coefficients)
      0
      (+ (car coefficients) (* x (horner (cdr coefficients))))))
(/ (horner (list b1 b2 b3))
   (horner (list 1 b4 b5)))
