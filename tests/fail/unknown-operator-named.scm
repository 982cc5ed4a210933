; error: COMPILE 2:2 sine
(sine x)
