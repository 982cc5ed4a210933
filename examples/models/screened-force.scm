; A screened force between a charge q and a unit charge at distance r: the example programs fit it.
(input r)
(input q)
(parameter k 1)
(parameter a 1)
(define (force r q) (* k q (exp (- (* a r)))))
(force r q)
