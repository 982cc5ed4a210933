; run: (x=0) => 1
; grad: x => 0
; run: (x=2) => 0.45464871341284085
; grad: x => -0.4353977749799916
; run: (x=[0 2 -1 0]) => [1 0.45464871341284085 0.8414709848078965 1]
; grad: x => [0 -0.4353977749799916 0.3011686789397568 0]
; The untaken arm is 0/0 at 0: neither its value nor its derivative may show.
(if (= x 0) 1 (/ (sin x) x))
