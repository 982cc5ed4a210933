; run: () => 7
(case 1 ((1) 5 6 7) (else 8))
