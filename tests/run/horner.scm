; run: (x=2) => 49
; grad: x => 62
(define (horner cs) (fold-right (lambda (c acc) (+ c (* x acc))) 0 cs))
(horner '(1 2 3 4))
