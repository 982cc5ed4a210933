; run: () => (12 -7)
(list (case 6 ((1 2 3) 0) ((4 5 6) => (lambda (v) (* 2 v))) (else 1)) (case 7 ((1) 0) (else => -)))
