; run: (x=1) => 1
; grad: x => 1
; run: (x=-1) => error: below zero:
; A program may refuse what it is given.
(if (> x 0) x (error "below zero:" x))
