; error: COMPILE 2:1 parameter
(parameter k)
(* k x)
