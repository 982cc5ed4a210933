; error: COMPILE 2:2 define-syntax
(define-syntax swap (syntax-rules () ((_ a b) (list b a))))
(swap 1 2)
