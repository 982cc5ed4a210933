; run: () => (1 1 3 4 5 9)
(define (insert v l) (cond ((null? l) (list v)) ((<= v (car l)) (cons v l)) (else (cons (car l) (insert v (cdr l))))))
(fold-right insert '() '(3 1 4 1 5 9))
