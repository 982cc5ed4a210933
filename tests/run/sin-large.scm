; run: (x=1000000) => -0.34999350217129294
; grad: x => 0.9367521275331447
; 1e6 is exact in both precisions: the reduction of the argument has to be good.
(sin x)
