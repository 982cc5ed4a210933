; run: (x=3) => 123
; grad: x => 41
(define (f a)
  (let ((b (* a 10)))
    (define (go i) (if (= i 0) (+ a b) (+ b (go (- i 1)))))
    (go 3)))
(f x)
