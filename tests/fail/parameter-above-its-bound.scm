; error: COMPILE 2:14 k
(parameter k 11 0 10)
(* k x)
