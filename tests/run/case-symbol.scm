; run: (x=3) => 9
; grad: x => 6
(case 'square ((double) (* 2 x)) ((square) (* x x)) (else 0))
