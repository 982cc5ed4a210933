; error: COMPILE 2:6 let
(let 5 6)
