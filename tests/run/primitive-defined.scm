; run: (x=5 y=3) => 8
(define plus +)
(plus x y)
