; error: PARSE 2:6 #q
(+ 1 #q)
