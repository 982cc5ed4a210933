; error: COMPILE 2:1 #t
(#t 1)
