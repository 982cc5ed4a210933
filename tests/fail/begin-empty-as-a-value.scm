; error: COMPILE 2:6 begin
(+ 1 (begin))
