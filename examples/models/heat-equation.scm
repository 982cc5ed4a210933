; Heat in an iron bar with insulated ends, of 64 cells of a centimetre, whose left 20 cm start hot,
;   du/dt = diffusivity d2u/dx2.
; Fourier, Theorie analytique de la chaleur (1822); explicit Euler, as Crank and Nicolson, Proc. Cambridge Phil. Soc. 43
; (1947) 50, describe it. The value is the temperature that a sensor between two cells reads, by linear interpolation, after
; a time in a hundred steps; the scheme is stable while diffusivity time / 100 is below half a cell squared.
; Inputs: place of the sensor (cm from the left end, 0.5 to 63.5), seconds.
; Parameters: diffusivity (cm^2/s); hot and cold, temperatures at the start (degrees Celsius).
(input place)
(input seconds)
(parameter diffusivity 0.15 0.01 0.3)
(parameter hot 80 0 500)
(parameter cold 10 -50 100)

(define cells (iota 64))
(define number (/ (* diffusivity seconds) 100))
(define start (apply vec (map (lambda (i) (if (< i 20) hot cold)) cells)))
(define (left u) (apply vec (map (lambda (i) (ref u (max 0 (- i 1)))) cells)))
(define (right u) (apply vec (map (lambda (i) (ref u (min 63 (+ i 1)))) cells)))
(define (flow u) (+ u (* number (+ (- (left u) (* 2 u)) (right u)))))
(define (read u)
  (dot u (apply vec (map (lambda (i) (max 0 (- 1 (abs (- place i 0.5))))) cells))))
(define (conduct step u)
  (if (= step 0)
      u
      (conduct (- step 1) (flow u))))
(read (conduct 100 start))
