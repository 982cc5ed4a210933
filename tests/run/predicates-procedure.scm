; run: () => (#t #t #t #f #f)
(list (procedure? car) (procedure? (lambda (v) v)) (procedure? +) (procedure? 'car) (procedure? 5))
