; The language in itself.
;
; This program has two inputs. `program` is a list of forms: data, such as the reader makes of a source text whose sugar has
; been expanded. `env` says what the free names of that program mean: a list of pairs (name . value). The value of this program is
; the value of that one. It is compiled once; whatever program is handed to it afterwards is data.
;
; An expression means something in an environment, which is a list of pairs (name . value) whose first entry for a name
; counts. Nothing is ever changed: a binding is one more pair in front.

(define (evaluate e env)
  (cond ((symbol? e)
         (let ((entry (assq e env)))
           (if entry (cdr entry) (primitive e))))
        ((pair? e) (evaluate-form (car e) e env))
        (else e)))                        ; a number, a boolean, a character or a string is its own value

; A list is a special form, if it begins with the name of one, else an application. Most are applications: one question finds
; them.
(define (evaluate-form head e env)
  (if (not (memq head '(quote if let lambda letrec begin cond define)))
      (apply (evaluate head env) (evaluate-each (cdr e) env))
      (case head
        ((if) (evaluate-if e env))
        ((let) (evaluate-let (cadr e) (cddr e) env))
        ((quote) (cadr e))
        ((lambda) (procedure (cadr e) (cddr e) env))
        ((letrec) (evaluate-body (cddr e) (scope (cadr e) env)))
        ((begin) (evaluate-body (cdr e) env))
        ((cond) (evaluate-cond (cdr e) env))
        (else (error "a definition may stand only at the head of a body:" e)))))

(define (evaluate-each es env)
  (if (null? es)
      '()
      (cons (evaluate (car es) env) (evaluate-each (cdr es) env))))

; One arm is evaluated, never both: the other may be wrong, or endless.
(define (evaluate-if e env)
  (if (evaluate (cadr e) env)
      (evaluate (caddr e) env)
      (if (null? (cdddr e)) #f (evaluate (cadddr e) env))))

(define (evaluate-cond clauses env)
  (cond ((null? clauses) #f)
        ((eq? (caar clauses) 'else) (evaluate-body (cdar clauses) env))
        ((evaluate (caar clauses) env) (evaluate-body (cdar clauses) env))
        (else (evaluate-cond (cdr clauses) env))))

; The right sides of a let stand outside of it: they are evaluated in the old environment.
(define (evaluate-let bindings body env)
  (evaluate-body body (extend-each bindings env env)))

(define (extend-each bindings outer env)
  (if (null? bindings)
      env
      (let ((entry (cons (caar bindings) (evaluate (cadar bindings) outer))))
        (extend-each (cdr bindings) outer (cons entry env)))))

; Definitions and expressions in order; the last one gives the value. Procedures that are defined next to each other see
; each other.
(define (evaluate-body forms env)
  (cond ((null? (cdr forms)) (evaluate (car forms) env))
        ((not (definition? (car forms)))
         (begin (evaluate (car forms) env)
                (evaluate-body (cdr forms) env)))
        ((defines-procedure? (car forms))
         (evaluate-body (behind-procedures forms) (scope (leading-procedures forms) env)))
        (else
         (let ((binding (defined (car forms))))
           (evaluate-body (cdr forms)
                          (cons (cons (car binding) (evaluate (cadr binding) env)) env))))))

(define (definition? form)
  (and (pair? form) (eq? (car form) 'define)))

(define (defines-procedure? form)
  (and (definition? form)
       (or (pair? (cadr form)) (lambda? (caddr form)))))

(define (lambda? e)
  (and (pair? e) (eq? (car e) 'lambda)))

; (define name value) and (define (name . params) body ...) as (name value)
(define (defined form)
  (if (pair? (cadr form))
      (list (caadr form) (cons 'lambda (cons (cdadr form) (cddr form))))
      (cdr form)))

(define (leading-procedures forms)
  (if (defines-procedure? (car forms))
      (cons (defined (car forms)) (leading-procedures (cdr forms)))
      '()))

(define (behind-procedures forms)
  (if (defines-procedure? (car forms))
      (behind-procedures (cdr forms))
      forms))

; A procedure of the program is a procedure of the language, so that every primitive can call it. Its body means what it
; means where the lambda stands, with the parameters in front.
(define (procedure params body env)
  (lambda args (evaluate-body body (extend params args env))))

(define (extend params args env)
  (cond ((symbol? params) (cons (cons params args) env))
        ((null? params)
         (if (null? args) env (error "too many arguments: nothing takes the last" (length args))))
        ((null? args) (error "too few arguments: no value for" (car params)))
        (else (cons (cons (car params) (car args))
                    (extend (cdr params) (cdr args) env)))))

; Procedures that see each other. No environment can hold itself where nothing is ever changed; so each of them carries the
; definitions of all, and makes the environment anew when it is called.
(define (scope bindings env)
  (add-procedures bindings bindings env))

(define (add-procedures some all env)
  (if (null? some)
      env
      (cons (cons (caar some) (recursive (cadar some) all env))
            (add-procedures (cdr some) all env))))

(define (recursive value all env)
  (if (lambda? value)
      (lambda args (evaluate-body (cddr value) (extend (cadr value) args (scope all env))))
      (error "letrec binds procedures, not" value)))

; The primitives, in groups: of each group the names, and what they mean in the same order. A name that is not here means
; nothing.
(define (primitive name)
  (cond
    ((memq name '(+ - * /))
     => (lambda (rest)
          (counterpart rest (list + - * /))))
    ((memq name '(= < > <= >= not zero? positive? negative? even? odd?))
     => (lambda (rest)
          (counterpart rest (list = < > <= >= not zero? positive? negative? even? odd?))))
    ((memq name '(abs min max square expt pow sqrt exp log sin cos tan asin acos atan sinh cosh tanh floor
                  ceiling round truncate quotient remainder modulo sigmoid relu softplus erf))
     => (lambda (rest)
          (counterpart rest (list abs min max square expt expt sqrt exp log sin cos tan asin acos atan
                                  sinh cosh tanh floor ceiling round truncate quotient remainder modulo
                                  sigmoid relu softplus erf))))
    ((memq name '(cons car cdr list length append reverse list-ref list-tail memq member assq assoc iota
                  map filter fold-left fold-right reduce for-each apply error cadr cddr caddr cdddr cadddr
                  cddddr))
     => (lambda (rest)
          (counterpart rest (list cons car cdr list length append reverse list-ref list-tail memq member
                                  assq assoc iota map filter fold-left fold-right reduce for-each apply
                                  error cadr cddr caddr cdddr cadddr cddddr))))
    ((memq name '(null? pair? list? number? integer? real? boolean? symbol? char? string? vector?
                  procedure? eq? eqv? equal?))
     => (lambda (rest)
          (counterpart rest (list null? pair? list? number? integer? real? boolean? symbol? char? string?
                                  vector? procedure? eq? eqv? equal?))))
    ((memq name '(vec ref dot cross norm normalize vsum vlen scale mat matmul matvec transpose trace det
                  logdet inv solve outer eye zeros ones))
     => (lambda (rest)
          (counterpart rest (list vec ref dot cross norm normalize vsum vlen scale mat matmul matvec
                                  transpose trace det logdet inv solve outer eye zeros ones))))
    ((memq name '(caar cdar caaar caadr cadar cdaar cdadr cddar caaaar caaadr caadar caaddr cadaar cadadr
                  caddar cdaaar cdaadr cdadar cdaddr cddaar cddadr cdddar))
     => (lambda (rest)
          (counterpart rest (list caar cdar caaar caadr cadar cdaar cdadr cddar caaaar caaadr caadar
                                  caaddr cadaar cadadr caddar cdaaar cdaadr cdadar cdaddr cddaar cddadr
                                  cdddar))))
    (else (error "unbound variable" name))))

; `rest` is the end of a list of names from one name on; what stands at its place in the list of meanings
(define (counterpart rest meanings)
  (list-ref meanings (- (length meanings) (length rest))))

; Whoever binds programs to an interpreter knows by this name that it takes those of the core language.
(define (interpret-core program env)
  (evaluate-body program env))

(interpret-core program env)
