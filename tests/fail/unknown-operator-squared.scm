; error: COMPILE 2:2 square
(sqare 2)
