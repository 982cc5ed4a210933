; error: COMPILE 2:2 lambda
((lambda (x)) 1)
