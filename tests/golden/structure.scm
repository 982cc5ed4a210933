(input x)
(define points '(1 2.5 a))
(define (second l) (car (cdr l)))
(list (* x (car points)) (second points) (car (cdr (cdr points))) `(sum ,(+ x 1) ,@(list 3 #\a)) (if (> x 0) 'inside 'inside))
