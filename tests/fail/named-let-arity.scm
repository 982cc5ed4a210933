; error: COMPILE 2:31 go
(let go ((i 0)) (if (> i 3) i (go (+ i 1) 2)))
