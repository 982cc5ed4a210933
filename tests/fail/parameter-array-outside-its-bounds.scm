; error: COMPILE 2:17 outside its bounds
(parameter w [1 9] 0 5)
(vsum w)
