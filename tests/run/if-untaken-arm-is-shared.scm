; run: (x=[0 1] k=3) => [3 3]
; grad: x => [0 -3]
; grad: k => 2
; The infinite value is computed outside and only used inside the arm.
(let ((r (/ k x)))
  (if (= x 0) k r))
