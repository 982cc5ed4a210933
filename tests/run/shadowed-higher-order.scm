; run: () => 6
; A user's map shadows the primitive.
(define (map f l) (fold-left + 0 l))
(map car '(1 2 3))
