; run: () => -inf.0
(log 0.)
