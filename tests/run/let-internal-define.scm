; run: (x=3) => 12
(let ((a x)) (define b (* 3 a)) (+ a b))
