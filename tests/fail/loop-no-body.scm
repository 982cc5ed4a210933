; error: COMPILE 2:1 loop
(loop ((i 0)))
