; run: () => 4503599627370496
; Both sides are beyond 2^53, so only exact integers give the difference of 1.
(- (/ 9007199254740994 2) 1)
