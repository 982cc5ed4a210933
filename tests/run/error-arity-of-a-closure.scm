; run: () => error: argument
(define fs (list (lambda (a b) a)))
((car fs) 1)
