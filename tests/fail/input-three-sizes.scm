; error: COMPILE 2:1 (input NAME ROWS COLUMNS)
(input x 1 2 3)
(vsum x)
