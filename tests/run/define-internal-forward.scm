; run: () => 7
(let ()
  (define (f) (g))
  (define (g) 7)
  (f))
