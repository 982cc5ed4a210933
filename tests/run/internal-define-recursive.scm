; run: (x=2) => 14
; grad: x => 7
(define (f n)
  (define (go i) (if (= i 0) 0 (+ (* i x) (go (- i 1)))))
  (+ x (go n)))
(f 3)
