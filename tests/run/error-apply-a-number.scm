; run: (x=5) => error: procedure
(define (f g) (g 1))
(f (car (list x)))
