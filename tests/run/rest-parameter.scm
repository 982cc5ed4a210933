; run: () => ((1 2 3) ())
(define (f . args) args)
(list (f 1 2 3) (f))
