; run: () => 27
(let outer ((i 0) (acc 0))
  (if (= i 3)
      acc
      (let inner ((j 0) (s acc))
        (if (= j 3) (outer (+ i 1) s) (inner (+ j 1) (+ s 3))))))
