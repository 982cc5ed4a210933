; error: COMPILE 2:17 needs a number
(parameter w [1 'a])
(vsum w)
