; run: () => 15
; The inits do not see the name of the loop.
(define (f n) (* n 3))
(let f ((n (f 5))) n)
