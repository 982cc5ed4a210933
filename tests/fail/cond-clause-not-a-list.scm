; error: COMPILE 2:7 cond
(cond 5)
