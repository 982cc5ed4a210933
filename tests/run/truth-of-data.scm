; run: () => (1 1 1 1 1 2 2 2)
(map (lambda (v) (if v 1 2)) (list '() 'a "" (list 0) car 0 0. #f))
