; run: (x=2) => 200
; grad: x => 100
(define env (list (cons 'a 7) (cons 'b (* 100 x))))
(cdr (assq 'b env))
