; run: (x=1) => 5
; grad: x => 5
; The untaken arm never matters, its divergence included.
(define (forever n) (forever n))
(if (> x 0) (* 5 x) (forever x))
