; error: COMPILE 2:14 k
(parameter k 'a)
(* k x)
