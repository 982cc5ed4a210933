; error: COMPILE 2:1 2
((lambda (a b) (+ a b)) 1)
