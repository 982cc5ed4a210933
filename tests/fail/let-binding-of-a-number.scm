; error: COMPILE 2:8 5
(let ((5 1)) 5)
