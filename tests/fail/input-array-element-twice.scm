; error: COMPILE 3:8 "x.1"
(input x.1)
(input x 2)
(vsum x)
