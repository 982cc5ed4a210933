; error: COMPILE 3:11 frobnicate
; An unknown operator is never a silent 0.
(if #t 1 (frobnicate 2))
