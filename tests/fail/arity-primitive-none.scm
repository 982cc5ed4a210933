; error: COMPILE 2:6 -
(+ 1 (-))
