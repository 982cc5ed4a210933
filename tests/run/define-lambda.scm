; run: (x=2) => 9
; grad: x => 2
(define f (lambda (a) (+ a a 5)))
(f x)
