; error: COMPILE 2:8 loop
(loop ((i)) i)
