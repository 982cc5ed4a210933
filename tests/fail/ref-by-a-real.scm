; error: COMPILE 3:1 "ref" needs an exact integer as index, not a number
(input i)
(ref [1 2 3] i)
