; run: (x=2) => 62
; grad: x => 31
(let ((a x)) (let ((b (+ a a))) (let ((c (+ b b))) (let ((d (+ c c))) (let ((e (+ d d))) (+ a b c d e))))))
