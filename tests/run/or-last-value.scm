; run: () => 0
(or #f 0)
