; error: PARSE 2:4 .
[1 . 2]
