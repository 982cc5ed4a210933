; error: COMPILE 2:6 let
(+ 1 (let))
