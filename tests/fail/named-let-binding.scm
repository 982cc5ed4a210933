; error: COMPILE 2:10 let
(let go ((i)) i)
