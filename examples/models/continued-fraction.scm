; Magnetic nanoparticles: the magnetisation of particles that turn freely in a field, by Langevin's function as
; Lambert's continued fraction, which has no cancellation at small fields,
;   M = saturation L(x),   L(x) = coth x - 1/x = x / (3 + x^2 / (5 + x^2 / (7 + ...))),   x = moment field / (k temperature).
; Langevin, Ann. Chim. Phys. 5 (1905) 70; Lambert, Mem. Acad. Berlin 17 (1761) 265. Thirty levels, enough for x up to 20.
; Inputs: field (tesla), temperature (kelvin).
; Parameters: saturation (kA/m); moment of a particle (thousands of Bohr magnetons).
(input field)
(input temperature)
(parameter saturation 300 1 2000)
(parameter moment 5 0.1 100)

(define x (/ (* 671.71381 moment field) temperature))
(define x2 (square x))
(define (denominator level)
  (if (= level 30)
      (+ (* 2 level) 1)
      (+ (* 2 level) 1 (/ x2 (denominator (+ level 1))))))
(* saturation (/ x (denominator 1)))
