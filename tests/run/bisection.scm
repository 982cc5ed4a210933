; run: (c=[2 3 10]) => [1.4142131805419922 1.7320499420166016 3.1622791290283203]
; grad: c => [0 0 0]
; The root hangs on c only through tests, so its gradient is exactly zero.
(loop ((lo 0) (hi 4) (i 0))
  (let ((mid (* 0.5 (+ lo hi))))
    (if (= i 20) mid (if (< (* mid mid) c) (recur mid hi (+ i 1)) (recur lo mid (+ i 1))))))
