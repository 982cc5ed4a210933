; run: () => 120
; Recursion without a name.
((lambda (f n) (f f n)) (lambda (self n) (if (= n 0) 1 (* n (self self (- n 1))))) 5)
