; error: PARSE 2:12 ]
(+ 1 (* 2 3])
