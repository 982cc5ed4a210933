; error: COMPILE 2:1 numbers
(parameter w [])
(vsum w)
