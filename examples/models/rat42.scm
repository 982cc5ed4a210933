; Growth of pasture over a time x: the logistic curve.
; NIST StRD nonlinear regression, problem Rat42; the initial values are its start 1.
(parameter b1 100)
(parameter b2 1)
(parameter b3 0.1)

(/ b1 (+ 1 (exp (- b2 (* b3 x)))))
