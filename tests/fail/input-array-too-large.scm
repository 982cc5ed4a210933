; error: COMPILE 2:1 numbers
(input x 1000 1000)
(vsum x)
