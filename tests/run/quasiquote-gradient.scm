; run: (x=3) => 16
; grad: x => 8
(let ((p `(,x (k ,(* x x)) ,@(list 1 x))))
  (+ (car p) (cadr (cadr p)) (caddr p) (cadddr p)))
