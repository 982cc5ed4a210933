; error: COMPILE 2:6 +
(* 2 (+ 'a 1))
