; run: () => error: "cdr" needs a pair
(define (last-item l) (if (null? (cdr l)) (car l) (last-item (cdr l))))
(last-item '())
