; run: () => (#t #t #f #t #f #t)
(list (equal? '(1 (2 3)) (list 1 (list 2 3))) (equal? "ab" "ab") (equal? "ab" "ac") (equal? [1 2] [1 2]) (equal? [1 2] [1 3]) (equal? 'a 'a))
