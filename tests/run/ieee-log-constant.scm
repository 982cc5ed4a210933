; run: () => +nan.0
(log -1.)
