; run: (x=3) => 8
; grad: x => 2
; run: (x=-1) => 0
; run: (x=[3 -1]) => [8 0]
; grad: x => [2 0]
(cond ((+ x 1) => (lambda (v) (* v 2))) (else 0))
