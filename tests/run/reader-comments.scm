; run: () => 6
; a plain comment
(+ 1 ; one
   2 ; two ) ( "
   ;; and three
   3)
; the end
