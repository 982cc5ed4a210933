; error: COMPILE 3:14 k
(+ 1 2)
(parameter k -1 0 10)
(* k x)
