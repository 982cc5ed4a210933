; error: COMPILE 3:3 parameter
(define (f x)
  (parameter k 2)
  (* k x))
(f 1)
