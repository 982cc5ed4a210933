; run: () => +nan.0
(+ +inf.0 -inf.0)
