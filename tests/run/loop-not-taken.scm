; run: (x=3) => 3
; grad: x => 1
(loop ((v x)) v)
