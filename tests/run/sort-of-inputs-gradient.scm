; run: (a=3 b=1 c=2) => 1
; grad: b => 1
; grad: a => 0
(define (insert v l) (cond ((null? l) (list v)) ((<= v (car l)) (cons v l)) (else (cons (car l) (insert v (cdr l))))))
(car (fold-right insert '() (list a b c)))
