; run: () => 5000050000
; A self tail call runs in constant space, far beyond the depth that other recursion may have.
(define (sum i acc) (if (> i 100000) acc (sum (+ i 1) (+ acc i))))
(sum 1 0)
