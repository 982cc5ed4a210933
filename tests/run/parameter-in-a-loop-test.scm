; run: (x=[1 2]) => [8 8]
; grad: limit => 0
; grad: x => [8 4]
(parameter limit 5)
(loop ((v x)) (if (> v limit) v (recur (* 2 v))))
