; Monomolecular adsorption: the volume taken up at a pressure x.
; NIST StRD nonlinear regression, problem Misra1a; the initial values are its start 1.
(parameter b1 500)
(parameter b2 0.0001)

(* b1 (- 1 (exp (- (* b2 x)))))
