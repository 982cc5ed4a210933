; error: COMPILE 2:13 x
((lambda (x x) x) 1 2)
