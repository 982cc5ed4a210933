; run: (x=1) => 9
; grad: x => 12
(define (pipeline fs) (fold-left (lambda (f g) (lambda (v) (g (f v)))) (lambda (v) v) fs))
((pipeline (list (lambda (v) (* 2 v)) (lambda (v) (+ v 1)) square)) x)
