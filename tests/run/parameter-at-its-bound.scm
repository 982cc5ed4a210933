; run: (x=3) => 6
(parameter k 2 2 3)
(* k x)
