; run: () => 0
; No trap where the quotient would overflow.
(+ (remainder -9223372036854775808 -1) (modulo -9223372036854775808 -1))
