; run: () => ()
(map car '())
