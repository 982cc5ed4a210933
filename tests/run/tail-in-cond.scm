; run: () => 100000
(define (f n acc)
  (cond ((= n 0) acc)
        ((even? n) (f (- n 1) (+ acc 1)))
        (else (let ((m (- n 1))) (begin (f m (+ acc 1)))))))
(f 100000 0)
