; error: PARSE 2:6 1e
(* 2 1e)
