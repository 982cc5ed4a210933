; error: COMPILE 2:1 1
((lambda (a) a) 1 2)
