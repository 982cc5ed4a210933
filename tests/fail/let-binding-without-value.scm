; error: COMPILE 2:13 let
(let ((a 1) (b)) (+ a b))
