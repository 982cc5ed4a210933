; run: () => (() (1) (1 2 . 3))
(list (append) (append '(1)) (append '(1 2) 3))
