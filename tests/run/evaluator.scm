; run: (x=3) => 15
; grad: x => 8
; A small evaluator over quoted programs: gradients flow through dispatch and environment.
(define (evaluate e env)
  (cond ((number? e) e)
        ((symbol? e) (cdr (assq e env)))
        ((eq? (car e) 'add) (+ (evaluate (cadr e) env) (evaluate (caddr e) env)))
        ((eq? (car e) 'mul) (* (evaluate (cadr e) env) (evaluate (caddr e) env)))
        (else 0)))
(evaluate '(add (mul v v) (mul 2 v)) (list (cons 'v x)))
