; run: (d=0.1) => 0.21864348
; grad: d => -0.27727360000000006
; Explicit steps of u_t = d u_xx on five cells with fixed ends.
(define (step u)
  (define (go l)
    (if (null? (cddr l))
        (cdr l)
        (cons (+ (cadr l) (* d (+ (car l) (* -2 (cadr l)) (caddr l)))) (go (cdr l)))))
  (cons (car u) (go u)))
(define (run u n) (if (= n 0) u (run (step u) (- n 1))))
(list-ref (run '(0 0 1 0 0.5) 8) 1)
