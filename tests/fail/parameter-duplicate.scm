; error: COMPILE 3:12 k
(parameter k 1)
(parameter k 2)
(* k x)
