; error: COMPILE 3:17 atan
; f is atan with one or two arguments.
(let ((f atan)) (f 1 2 3))
