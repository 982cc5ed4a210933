; run: () => (a (quasiquote (b (unquote (c d)))))
; Inner levels are kept as data.
`(a `(b ,(c d)))
