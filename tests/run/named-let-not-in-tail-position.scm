; run: (x=2) => 31
; grad: x => 49
(let f ((n 4))
  (if (= n 0) 1 (+ (expt x n) (f (- n 1)))))
