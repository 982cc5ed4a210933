; An evaluator of another make: a conditional over the shapes of expressions, closures that are lists, primitives that are
; applied by name. Tests write it as a graph of version 1 of the format, without anything of ours.

(define (env-lookup name env)
  (cond ((null? env) (list 'primitive name))
        ((eq? (car (car env)) name) (cdr (car env)))
        (#t (env-lookup name (cdr env)))))

(define (eval-each exprs env)
  (if (null? exprs)
      '()
      (cons (scheme-eval (car exprs) env) (eval-each (cdr exprs) env))))

(define (env-extend names values env)
  (if (null? names)
      env
      (cons (cons (car names) (car values)) (env-extend (cdr names) (cdr values) env))))

(define (eval-cond clauses env)
  (cond ((null? clauses) 0)
        ((eq? (car (car clauses)) 'else) (scheme-eval (car (cdr (car clauses))) env))
        ((scheme-eval (car (car clauses)) env) (scheme-eval (car (cdr (car clauses))) env))
        (#t (eval-cond (cdr clauses) env))))

(define (eval-let bindings outer env)
  (if (null? bindings)
      env
      (cons (cons (car (car bindings)) (scheme-eval (car (cdr (car bindings))) outer))
            (eval-let (cdr bindings) outer env))))

(define (apply-primitive op args)
  (cond ((eq? op '+) (+ (car args) (car (cdr args))))
        ((eq? op '-) (- (car args) (car (cdr args))))
        ((eq? op '*) (* (car args) (car (cdr args))))
        ((eq? op '/) (/ (car args) (car (cdr args))))
        ((eq? op '<) (< (car args) (car (cdr args))))
        ((eq? op '>) (> (car args) (car (cdr args))))
        ((eq? op '=) (= (car args) (car (cdr args))))
        ((eq? op 'exp) (exp (car args)))
        ((eq? op 'sin) (sin (car args)))
        ((eq? op 'cons) (cons (car args) (car (cdr args))))
        ((eq? op 'car) (car (car args)))
        ((eq? op 'cdr) (cdr (car args)))
        ((eq? op 'null?) (null? (car args)))
        ((eq? op 'list) args)
        (#t 0)))

(define (eval-apply f args)
  (if (eq? (car f) 'primitive)
      (apply-primitive (car (cdr f)) args)
      (scheme-eval (car (cdr (cdr (cdr f))))
                   (env-extend (car (cdr (cdr f)))
                               args
                               (cons (cons (car (cdr f)) f) (car (cdr (cdr (cdr (cdr f))))))))))

(define (scheme-eval expr env)
  (cond
    ((number? expr) expr)
    ((boolean? expr) expr)
    ((symbol? expr) (env-lookup expr env))
    ((pair? expr)
     (let ((head (car expr)))
       (cond
         ((eq? head 'quote) (car (cdr expr)))
         ((eq? head 'if)
          (if (scheme-eval (car (cdr expr)) env)
              (scheme-eval (car (cdr (cdr expr))) env)
              (scheme-eval (car (cdr (cdr (cdr expr)))) env)))
         ((eq? head 'cond) (eval-cond (cdr expr) env))
         ((eq? head 'let)
          (scheme-eval (car (cdr (cdr expr))) (eval-let (car (cdr expr)) env env)))
         ((eq? head 'lambda)
          (list 'closure 'anonymous (car (cdr expr)) (car (cdr (cdr expr))) env))
         (#t (eval-apply (scheme-eval head env) (eval-each (cdr expr) env))))))
    (#t 0)))

(define (eval-define target body env)
  (if (pair? target)
      (cons (cons (car target) (list 'closure (car target) (cdr target) body env)) env)
      (cons (cons target (scheme-eval body env)) env)))

(define (eval-program forms env)
  (let ((form (car forms)))
    (cond ((null? (cdr forms)) (scheme-eval form env))
          (#t (eval-program (cdr forms)
                            (eval-define (car (cdr form)) (car (cdr (cdr form))) env))))))

(eval-program program env)
