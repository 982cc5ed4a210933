; run: () => 1
(case #\space ((#\( #\; #\") 3) ((#\x20) 1) (else 2))
