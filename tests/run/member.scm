; run: () => ((2 3) #f ((1) 2))
(list (member 2 '(1 2 3)) (member 9 '(1 2 3)) (member '(1) '(0 (1) 2)))
