; run: (a=1 b=2 c=3) => 14
; grad: a => 2
; grad: b => 4
; grad: c => 6
(define (sumsq l) (if (null? l) 0 (+ (* (car l) (car l)) (sumsq (cdr l)))))
(sumsq (list a b c))
