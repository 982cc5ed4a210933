; run: (x=[-1 0 1 10] k=2) => [-3 0 0 4.605170185988092]
; grad: x => [3 3 2 0.2]
; grad: k => 2.302585092994046
; A shared constant in the arm sees only the elements that took it.
(if (> x 0) (* k (log x)) (* 3 x))
