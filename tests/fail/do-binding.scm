; error: COMPILE 2:6 do
(do ((i 0 1 2)) ((= i 3) i))
