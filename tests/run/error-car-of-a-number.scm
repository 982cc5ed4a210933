; run: (x=1) => error: car
(car x)
