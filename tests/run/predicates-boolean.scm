; run: () => (#t #t #f #f)
(list (boolean? #t) (boolean? #f) (boolean? '()) (boolean? 'a))
