; run: (x=2) => 5
; grad: x => 1
(+ (ref (ref (mat [1 2] [3 x]) 1) 0) (ref (ref (mat [1 2] [3 x]) 1) 1))
