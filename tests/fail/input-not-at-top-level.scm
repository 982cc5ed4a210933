; error: COMPILE 3:3 input
(let ((a 1))
  (input b)
  (+ a b))
