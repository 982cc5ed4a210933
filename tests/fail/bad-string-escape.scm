; error: PARSE 2:5 \q
(if "a \q b" 1 2)
