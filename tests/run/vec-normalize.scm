; run: (x=3) => #(0.6 0.8)
(normalize [x 4])
