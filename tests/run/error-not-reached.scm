; run: (x=1) => 1
; run: (x=[1 2]) => [1 2]
; The error is in the arm that no element takes.
(if (> x 0) x (car (list-tail '(1) 1)))
