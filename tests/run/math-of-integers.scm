; run: () => 6.59212653642298
; Exact integers are taken as reals by the transcendental functions.
(+ (sqrt 4) (exp 0) (log 1) (sin 0) (cos 0) (atan 1) (tanh 2) (erf 1))
