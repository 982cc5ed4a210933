; error: PARSE 2:5 x110000
(if #\x110000 1 2)
