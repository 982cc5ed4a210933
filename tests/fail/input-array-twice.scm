; error: COMPILE 3:8 "x" is declared twice
(input x 2)
(input x)
(vsum x)
