; run: () => (#\space #\newline #\A #\( #\x3bb)
; #\x41 is A.
(list #\space #\newline #\x41 #\( #\λ)
