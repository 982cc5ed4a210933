; A thermistor: the temperature at a resistance, by Steinhart and Hart's equation, a polynomial in ln R by Horner's rule,
;   1/T = A + B ln R + C (ln R)^3.
; Steinhart and Hart, Deep-Sea Research 15 (1968) 497; Horner, Phil. Trans. R. Soc. 109 (1819) 308. The value is the temperature
; in degrees Celsius.
; Inputs: resistance (ohm).
; Parameters: A (1/kK), B (1/kK), C (1/MK), so that all are near one.
(input resistance)
(parameter a 1 0 10)
(parameter b 0.3 0 10)
(parameter c 0.2 0 10)

(define (horner x coefficients)
  (do ((rest (reverse coefficients) (cdr rest))
       (sum 0 (+ (car rest) (* x sum))))
      ((null? rest) sum)))
(- (/ 1000 (horner (log resistance) (list a b 0 (/ c 1000)))) 273.15)
