; run: () => ((b . 2) #f (("k" 1) 5))
(list (assoc 'b '((a . 1) (b . 2) (b . 3))) (assoc 'z '((a . 1))) (assoc '("k" 1) '(((k) 4) (("k" 1) 5))))
