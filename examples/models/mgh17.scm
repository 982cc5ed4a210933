; A sum of two decays that are hard to tell apart, from a start far away.
; NIST StRD nonlinear regression, problem MGH17; the initial values are its start 1.
(parameter b1 50)
(parameter b2 150)
(parameter b3 -100)
(parameter b4 1)
(parameter b5 2)

(define (decay rate) (exp (- (* rate x))))
(+ b1
   (* b2 (decay b4))
   (* b3 (decay b5)))
