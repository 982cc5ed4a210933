; error: COMPILE 2:1 do
(do ((i 0 (+ i 1))))
