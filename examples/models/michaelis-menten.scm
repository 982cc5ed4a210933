; Michaelis and Menten: the rate of a reaction that an enzyme drives, at a concentration of its substrate.
; vmax is the rate when every enzyme is busy, km the concentration at half of it.
(parameter vmax 1 0 1e6)
(parameter km 1 1e-9 1e6)

(/ (* vmax substrate) (+ km substrate))
