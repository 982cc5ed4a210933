; Energy radiated by a carbon filament at a temperature x.
; NIST StRD nonlinear regression, problem DanWood; the initial values are its start 1.
(parameter b1 1)
(parameter b2 5)

(* b1 (pow x b2))
