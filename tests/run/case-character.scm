; run: () => 2
(case #\b ((#\a) 1) ((#\b #\c) 2) (else 3))
