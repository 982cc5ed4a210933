; run: () => (#t #f #f #t #t #f)
; An exact integer and a real are not the same.
(list (eqv? 2 2) (eqv? 2 3) (eqv? 2 2.) (eqv? 2.5 2.5) (eqv? #\a #\a) (eqv? (list 1) (list 1)))
