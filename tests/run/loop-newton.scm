; run: (a=2) => 1.4142135623746899
; grad: a => 0.35355339061171626
; run: (a=[1 2 9 100]) => [1 1.4142135623746899 3.000000001396984 10.000000000139897]
; grad: a => [0.5 0.35355339061171626 0.16666666860692203 0.05000000001878714]
; The square root by Newton's method, until it is good enough: the number of iterations depends on the data.
(loop ((y a))
  (if (< (abs (- (* y y) a)) (* 1e-4 a))
      (* 0.5 (+ y (/ a y)))
      (recur (* 0.5 (+ y (/ a y))))))
