; run: () => 1
; Even the character with code 0 is true.
(if #\x0 1 2)
