; run: (x=10) => 4
; grad: x => 1
(fold-left - x '(1 2 3))
