; run: () => 9
(let ((list 4) (max 5)) (+ list max))
