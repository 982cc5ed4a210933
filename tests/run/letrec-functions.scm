; run: (x=3) => 13
; grad: x => 4
(letrec ((f (lambda (v) (+ 1 (g v)))) (g (lambda (v) (* 4 v)))) (f x))
