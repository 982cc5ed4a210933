; run: () => 24
(define (f)
  (define a 2)
  (define b (* a 3))
  (define c (* b 4))
  c)
(f)
