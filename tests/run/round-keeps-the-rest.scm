; run: (x=2.75) => -0.25
; grad: x => 1
; The sawtooth: rounding has derivative 0, the rest has 1.
(- x (round x))
