; run: (x=-0.) => +inf.0
; -0. + 0. is 0., so adding 0. may not be dropped.
(/ 1 (+ x 0.))
