; run: () => error: no such case: "a" (1 2.5)
(define (pick name) (case name ((b) 1) (else (error "no such case:" name (list 1 2.5)))))
(pick 'a)
