; run: () => 1
; 94906267 squared is 9007199515875289; the neighbour has no double of its own.
(- (* 94906267 94906267) 9007199515875288)
