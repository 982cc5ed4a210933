; error: COMPILE 3:8 k
(parameter k 1)
(input k)
(* k 2)
