; error: PARSE 3:1 paren
(define a 1)
(define (f x)
  (+ x (* 2 a))
(f 3)
