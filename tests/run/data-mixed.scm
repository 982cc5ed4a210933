; run: () => (1 2.5 #t #f a "b" #\c ())
(list 1 2.5 #t #f 'a "b" #\c '())
