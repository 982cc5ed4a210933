; run: () => 12
(define (times a b) (lambda (f) (a (b f))))
(define three (lambda (f) (lambda (v) (f (f (f v))))))
(define four (lambda (f) (lambda (v) (f (f (f (f v)))))))
(((times three four) (lambda (v) (+ v 1))) 0)
