; error: COMPILE 2:1 input
(input)
(+ 1 2)
