; run: (a=1 b=2 c=3) => 5
; grad: a => 2
; grad: b => 1
; grad: c => 1
((((lambda (p) (lambda (q) (lambda (r) (+ (* p q) r)))) a) b) c)
