; error: COMPILE 1:1 empty
; nothing but comments
#| here |# #;(+ 1 2)
