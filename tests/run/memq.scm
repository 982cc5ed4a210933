; run: () => ((b c) #f)
(list (memq 'b '(a b c)) (memq 'z '(a b c)))
