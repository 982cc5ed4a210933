; run: () => (#t #f #t #t #f)
(list (eq? 'a 'a) (eq? 'a 'b) (eq? '() '()) (eq? #t #t) (eq? #t #f))
