; error: PARSE 2:8 \q
(if "a \q b" 1 2)
