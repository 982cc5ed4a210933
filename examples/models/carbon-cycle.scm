; The carbon cycle in eight boxes: carbon N above that of the year 1750 (petagrams) moves between them in proportion to itself,
;   dN/dt = K N + emission,
; after the box models of Bolin and Eriksson (1959) and Keeling (1973), with the reservoirs and flows of Siegenthaler and
; Sarmiento, Nature 365 (1993) 119, rounded. The value is carbon dioxide in the air (ppm) in a year, by the midpoint rule in steps of a
; year: the number of steps is that of the sample.
; Boxes: 0 air, 1 warm and 2 cold surface water, 3 intermediate and 4 deep water, 5 plants, 6 litter, 7 soil.
; Inputs: emission (Pg/year) while it lasts, duration of it (years), year (a whole number).
; Parameters: buffer, Revelle's factor: how many times as fast as its content rises what the water gives back (no unit);
; mixing, turnover of the sea (Pg/year); growth of the plants with carbon dioxide (1/year).
(input emission)
(input duration)
(input year)
(parameter buffer 7 1 15)
(parameter mixing 60 5 120)
(parameter growth 0.02 0 0.2)

; a ninth of the carbon in the air is exchanged with the sea each year, three quarters of it where the water is warm
(define warm (/ 0.75 9))
(define cold (/ 0.25 9))
(define warm-back (* warm buffer (/ 590. 650)))
(define cold-back (* cold buffer (/ 590. 250)))
; cold water that sinks, and comes back through the deep
(define sink (* 0.4 mixing))
(define k
  (mat [(- (+ warm cold growth)) warm-back cold-back 0 0 0 (/ 50. 120) (/ 10. 1350)]
       [warm (- (+ warm-back (/ (+ mixing sink) 650))) 0 (/ (+ mixing sink) 7500) 0 0 0 0]
       [cold (/ sink 650) (- (+ cold-back (/ (+ mixing sink) 250))) 0 (/ mixing 30000) 0 0 0]
       [0 (/ mixing 650) 0 (- (/ (+ mixing mixing sink) 7500)) (/ (+ mixing sink) 30000) 0 0 0]
       [0 0 (/ (+ mixing sink) 250) (/ mixing 7500) (- (/ (+ mixing mixing sink) 30000)) 0 0 0]
       [growth 0 0 0 0 (- (/ 60. 550)) 0 0]
       [0 0 0 0 0 (/ 60. 550) (- (/ 60. 120)) 0]
       [0 0 0 0 0 0 (/ 10. 120) (- (/ 10. 1350))]))
(define (emitted t) (if (< t duration) emission 0))
(define (change n t) (+ (matvec k n) [(emitted t) 0 0 0 0 0 0 0]))
(define (one-year n t) (+ n (change (+ n (* 0.5 (change n t))) t)))
(define (ppm n) (+ 280 (/ (ref n 0) 2.124)))
(define (boxes t)
  (if (<= t 0)
      (zeros 8)
      (one-year (boxes (- t 1)) (- t 1))))
(ppm (boxes year))
