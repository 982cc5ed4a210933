; run: () => 0
(apply + '())
