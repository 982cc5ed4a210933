; run: (x=[1 2 3] k=2) => [7 13 19]
; grad: x => [6 6 6]
; grad: k => 12
(let ((p (map (lambda (v) (* v x)) (list 1 k))))
  (+ 1 (* 2 (fold-left + 0 p))))
