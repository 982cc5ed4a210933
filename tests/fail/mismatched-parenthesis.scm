; error: PARSE 2:10 )
(dot [1 2) [3 4])
