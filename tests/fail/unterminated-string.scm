; error: PARSE 2:5 string
(if "never closed 1 2)
