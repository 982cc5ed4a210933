; run: (x=1) => -1.1037543614593994
; grad: x => -0.9542510121384724
; A rotation repeated ten times.
(define m (mat [0.96 -0.28] [0.28 0.96]))
(loop ((i 0) (v [x 0.5])) (if (= i 10) (ref v 0) (recur (+ i 1) (matvec m v))))
