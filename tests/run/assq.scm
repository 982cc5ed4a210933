; run: () => (c 3)
(assq 'c '((a 1) (b 2) (c 3)))
