; run: (x=2) => 56
; grad: x => 56
(fold-left + 0 (map square (map (lambda (i) (* i x)) (iota 4))))
