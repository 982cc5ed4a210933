; error: COMPILE 2:10 size
(input x 0)
(vsum x)
