; error: PARSE 2:9 .
'(1 . 2 3)
