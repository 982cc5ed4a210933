; run: (x=5) => 8
; grad: x => 1
(define (adder n) (lambda (v) (+ v n)))
((adder 3) x)
