; error: COMPILE 2:1 k
(parameter k 11 0 10)
(* k x)
