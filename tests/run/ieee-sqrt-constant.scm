; run: () => +nan.0
(sqrt -1.)
