; error: COMPILE 2:6 expt
(* 2 (expt x))
