; error: COMPILE 2:1 k
(parameter k)
(* k x)
