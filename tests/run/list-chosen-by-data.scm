; run: (x=[1 -1] k=10) => [12 23]
; grad: k => 3
(let ((p (if (> x 0) (list 2 k) (list k 3))))
  (if (> x 0) (+ (car p) (cadr p)) (+ (car p) (cadr p) k)))
