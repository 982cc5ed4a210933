; run: (x=3) => -6
(parameter k -2 -inf.0 0)
(parameter unused 1 0 +inf.0)
(* k x)
