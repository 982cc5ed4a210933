; run: (x=3) => 11
; grad: x => 2
(apply (lambda (a b) (+ (* a b) 5)) (list x 2))
