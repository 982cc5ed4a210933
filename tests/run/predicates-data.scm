; run: () => (#t #f #t #f #t #f #t #f)
(list (symbol? 'a) (symbol? "a") (char? #\a) (char? 'a) (string? "a") (string? #\a) (vector? [1 2]) (vector? '(1 2)))
