; run: () => 0
(+ (not '()) (not 'a) (not sin) (not "s"))
