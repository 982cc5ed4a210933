; error: COMPILE 2:1 k
(parameter k 1 0)
(* k x)
