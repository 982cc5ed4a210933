; Monomolecular adsorption, the Langmuir isotherm: the volume taken up at a pressure x.
; NIST StRD nonlinear regression, problem Misra1d; the initial values are its start 1.
(parameter b1 500)
(parameter b2 0.0001)

(let ((filled (* b2 x)))
  (* b1 (/ filled (+ 1 filled))))
