; error: COMPILE 2:13 1
((lambda (a 1) a) 2 3)
