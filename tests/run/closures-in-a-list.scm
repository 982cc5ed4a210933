; run: (x=2) => 16
; grad: x => 18
(define fs (list (lambda (v) (* v v)) (lambda (v) (* v 3)) (lambda (v) (+ v x)) ))
(let ((a (map (lambda (f) (f x)) fs)))
  (+ (car a) (cadr a) (caddr a) (* x (- (car a) 3))))
