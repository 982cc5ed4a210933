; run: (x=3) => 6.427792839135253
; grad: x => 3.4688150298386735
; grad: w => 2.4741287772996765
(parameter w 0.5)
(soft-choice ((+ x x) (* x x) (sin x)) [0 w (- w)])
