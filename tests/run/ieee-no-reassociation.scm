; run: (a=1e16 b=1) => 0
; run: (a=-1e16 b=1) => 0
; Sums are taken from the left: (1e16 + 1) - 1e16 is 0 in doubles.
(- (+ a b) a)
