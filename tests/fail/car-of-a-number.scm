; error: COMPILE 2:6 car
(+ 1 (car 5))
