; run: (x=1 y=10) => -990
(define (f x y) (g y x))
(define (g x y) (- (* x 10) (* y 100)))
(+ (f x y) (- 0 (f x y)) (f y x) (f (- x 1) (- y y)))
