; error: COMPILE 3:1 "apply" takes at least 2 arguments, not 1
; apply handed to apply is held to its own count of arguments
(apply apply (list (list)))
