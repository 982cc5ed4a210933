; run: () => (1 2)
; A predicate's numeric zero is false.
(filter (lambda (v) v) '(1 0 2 #f))
