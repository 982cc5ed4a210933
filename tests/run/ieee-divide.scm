; run: (a=1 b=0.) => +inf.0
; run: (a=-1 b=0.) => -inf.0
; run: (a=1 b=-0.) => -inf.0
; run: (a=0. b=0.) => +nan.0
; run: (a=1 b=+inf.0) => 0
; run: (a=+inf.0 b=+inf.0) => +nan.0
; run: (a=[1 0 -1] b=0) => [+inf.0 +nan.0 -inf.0]
(/ a b)
