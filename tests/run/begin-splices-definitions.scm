; run: () => 7
(begin (define a 3) (define b 4))
(+ a b)
