; run: (x=[1 -1]) => [1 -5]
; grad: x => [1 5]
(let ((m (if (> x 0) (eye 2) (mat [3 0] [0 5]))))
  (vsum (matvec m [0 x])))
