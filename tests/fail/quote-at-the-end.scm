; error: PARSE 3:1 '
(+ 1 2)
'
