; error: PARSE 2:3 .
'(. 1)
