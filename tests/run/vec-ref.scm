; run: (x=2) => 16
; grad: x => 20
(let ((v [x (* x x) (* x x x)])) (+ (ref v 2) (* 2 (ref v 1)) (* 0 (ref v 0))))
