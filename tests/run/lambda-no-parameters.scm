; run: (x=5) => 10
((lambda () (* 2 x)))
