; run: (x=0) => 0
; grad: x => +inf.0
; Nothing is clamped silently.
(sqrt x)
