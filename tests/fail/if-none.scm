; error: COMPILE 2:1 if
(if)
