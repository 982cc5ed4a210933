; run: () => 2
; Exact integers pass through unchanged.
(- (+ (floor 9007199254740993) (round 0)) (- (ceiling 9007199254740992) (truncate 1)))
