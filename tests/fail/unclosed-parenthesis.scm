; error: PARSE 2:1 paren
(+ 1 (* 2 3)
