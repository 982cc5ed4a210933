; run: (x=-60) => 8.75651076269652e-27
; grad: x => 8.75651076269652e-27
; run: (x=[-60 0 60]) => [8.75651076269652e-27 0.5 1]
; The left tail keeps its relative accuracy.
(sigmoid x)
