; error: COMPILE 2:1 parameter
(parameter)
(+ 1 2)
