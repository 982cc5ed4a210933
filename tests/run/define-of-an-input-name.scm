; run: () => 9
(define x 3)
(* x x)
