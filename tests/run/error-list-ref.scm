; run: () => error: list-ref
(define (get l i) (list-ref l i))
(get '(1 2) 5)
