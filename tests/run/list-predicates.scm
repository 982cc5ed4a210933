; run: () => (#t #f #f #t #t #t #f #f)
(list (null? '()) (null? '(1)) (pair? '()) (pair? '(1)) (list? '()) (list? '(1 2)) (list? '(1 . 2)) (list? 5))
