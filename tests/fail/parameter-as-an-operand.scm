; error: COMPILE 2:6 parameter
(+ 1 (parameter k 2))
