; run: () => 1
(expt 0 0)
