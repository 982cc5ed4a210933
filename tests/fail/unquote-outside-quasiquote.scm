; error: COMPILE 2:6 unquote
(+ 1 ,x)
