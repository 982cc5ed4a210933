; run: (x=2) => 30
; grad: x => 15
(let loop ((i 1) (acc 0))
  (if (> i 5) acc (loop (+ i 1) (+ acc (* i x)))))
