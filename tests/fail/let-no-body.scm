; error: COMPILE 2:1 let
(let ((a 1)))
