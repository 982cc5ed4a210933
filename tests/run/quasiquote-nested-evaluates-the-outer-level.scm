; run: () => (1 (quasiquote (2 (unquote (3 4)))))
`(1 `(2 ,(3 ,(+ 1 3))))
