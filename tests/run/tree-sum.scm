; run: (x=2) => 16
; grad: x => 3
(define (tree-sum t) (cond ((null? t) 0) ((pair? t) (+ (tree-sum (car t)) (tree-sum (cdr t)))) (else t)))
(tree-sum (list 1 (list x (list x 4)) '() x 5))
