; run: () => 7
; R7RS: a binding of a syntactic keyword hides the keyword.
(let ((if (lambda (a b c) (+ a b c)))) (if 1 2 4))
