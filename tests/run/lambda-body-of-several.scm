; run: (x=5) => 6
((lambda (a) 1 2 (+ a 1)) x)
