; run: (x=2.5) => (#t #t #f #f #t #t #f)
(list (number? 1) (number? x) (number? 'a) (number? "1") (integer? 3) (real? 2.5) (integer? 2.5))
