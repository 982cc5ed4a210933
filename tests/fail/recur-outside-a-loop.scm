; error: COMPILE 2:6 recur
(+ 1 (recur 2))
