; error: PARSE 2:8 paren
(+ 1 2))
