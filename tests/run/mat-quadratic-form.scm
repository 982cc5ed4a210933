; run: (x=1 y=2) => 26
; grad: x => 8
; grad: y => 22
(let ((v [x y])) (dot v (matvec (mat [2 1] [1 5]) (+ v 0))))
