; run: (x=5) => 1203
; Each scope has its own g.
(define (f a) (define (g b) (+ b 1)) (* 100 (g a)))
(define (h a) (define (g b) (- b 2)) (* 200 (g a)))
(define (g b) (- b 2))
(+ (f x) (h x) (g x))
