; run: (v=10 x=3) => 13
; grad: v => 1
; grad: x => 1
; The value handed on by => is invisible to the clause's own names.
(cond (x => (lambda (t) (+ v t))) (else v))
