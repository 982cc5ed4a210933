; error: PARSE 2:6 '
(+ 1 ')
