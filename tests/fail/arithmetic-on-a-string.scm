; error: COMPILE 2:1 *
(* 2 "three")
