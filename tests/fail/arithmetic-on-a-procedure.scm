; error: COMPILE 2:1 +
(+ 1 sin)
