; Two overlapping peaks on an exponential background.
; NIST StRD nonlinear regression, problem Gauss1; the initial values are its start 1.
(parameter b1 97)
(parameter b2 0.009)
(parameter b3 100)
(parameter b4 65)
(parameter b5 20)
(parameter b6 70)
(parameter b7 178)
(parameter b8 16.5)

(define (peak height centre width)
  (* height (exp (- (square (/ (- x centre) width))))))
(+ (* b1 (exp (- (* b2 x))))
   (peak b3 b4 b5)
   (peak b6 b7 b8))
