; Coulomb's law: the force in newtons between two charges in coulombs, r metres apart.
; Positive pushes them apart. The constant is in N m^2 / C^2.
(parameter k 1e9 0 1e12)

(/ (* k q1 q2) (square r))
