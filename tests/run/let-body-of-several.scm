; run: (x=3) => 6
(let ((a x)) 1 (+ a 1) (* 2 a))
