; error: PARSE 2:5 .
'(1 . )
