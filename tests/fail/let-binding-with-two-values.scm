; error: COMPILE 2:7 let
(let ((a 1 2)) a)
