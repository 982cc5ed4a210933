; error: COMPILE 2:1 loop
(loop)
