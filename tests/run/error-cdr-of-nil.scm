; run: () => error: cdr
(define (last-item l) (if (null? (cdr l)) (car l) (last-item (cdr l))))
(last-item '())
