; error: COMPILE 3:2 "det" needs a square matrix, not a 1 by 2 matrix
(* 2
 (det (mat [1 2])))
