; run: (a=1 b=2) => -1
; grad: a => 1
; grad: b => -1
; The parameters of f have the names of the arguments, swapped.
(define (f b a) (- b a))
(f a b)
