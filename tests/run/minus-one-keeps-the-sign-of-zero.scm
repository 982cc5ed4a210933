; run: (x=0.) => -inf.0
; run: (x=-0.) => +inf.0
; (- 0.) is -0., which a subtraction from 0 would lose.
(/ 1. (- x))
