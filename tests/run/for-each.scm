; run: () => 5
(begin (for-each (lambda (v) (* v v)) '(1 2 3)) 5)
