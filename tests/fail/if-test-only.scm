; error: COMPILE 2:6 if
(+ 1 (if x))
