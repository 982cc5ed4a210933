; error: COMPILE 2:1 parameter
(parameter k 1 0)
(* k x)
