; run: () => 2
(cond ((assq 'b '((a 1) (b 2))) => cadr) (else 'none))
