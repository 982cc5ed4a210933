; run: (x=2) => 6
; grad: x => 3
(define (f) (* 3 x))
(f)
