; run: () => (11 22)
; The shortest list ends it.
(map + '(1 2 3) '(10 20))
