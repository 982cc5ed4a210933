; error: PARSE 2:6 1.2.3
(+ 1 1.2.3)
