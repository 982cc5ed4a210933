; run: () => 3
#;(this is (not) "a program")
(+ 1 2)
#;'ignored
