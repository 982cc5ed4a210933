; run: () => +nan.0
(* 2 +nan.0)
