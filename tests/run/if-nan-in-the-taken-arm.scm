; run: (x=[-1 4]) => [+nan.0 2]
; The taken arm is not hidden.
(if (< x 100) (sqrt x) 0)
