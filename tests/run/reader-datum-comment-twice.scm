; run: () => 5
; The second #; removes 2, the first removes what then follows, 3.
(+ 1 #;#;2 3 4)
