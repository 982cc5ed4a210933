; run: (x=3) => 7
; grad: x => 1
(let ((p (cons x (cons 4 '())))) (+ (car p) (car (cdr p))))
