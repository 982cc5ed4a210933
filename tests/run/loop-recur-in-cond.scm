; run: () => 111
; The Collatz sequence from 27 has 111 steps.
(loop ((n 27) (steps 0))
  (cond ((= n 1) steps)
        ((even? n) (recur (quotient n 2) (+ steps 1)))
        (else (recur (+ (* 3 n) 1) (+ steps 1)))))
