; error: COMPILE 2:10 lambda
((lambda 5 6) 1)
