; Steel that is hardened in a furnace: carbon that has come in from the surface, by Fick's second law,
;   c = surface - (surface - core) erf(z),   z = depth / (2 sqrt(diffusivity hours)),
; with the error function by its Taylor series, erf z = 2 / sqrt(pi) sum of (-1)^n z^(2n+1) / (n! (2n+1)), forty terms added from
; the last to the first. Crank, The Mathematics of Diffusion, section 2.3. The series serves z below 3.
; Inputs: depth below the surface (mm), hours in the furnace.
; Parameters: diffusivity of carbon (mm^2/h); surface, carbon content there (percent by weight). The core has 0.2 percent.
(input depth)
(input hours)
(parameter diffusivity 0.12 0.02 1)
(parameter surface 0.8 0.2 3)

(define z (/ depth (* 2 (sqrt (* diffusivity hours)))))
(define z2 (square z))
(define (carbon series) (- surface (* (- surface 0.2) 1.1283791670955126 series)))
(define terms
  (loop ((n 0) (term z) (terms '()))
    (if (= n 40)
        terms
        (recur (+ n 1)
               (/ (* term (- z2)) (+ n 1))
               (cons (/ term (+ (* 2 n) 1)) terms)))))
(do ((rest terms (cdr rest))
     (sum 0 (+ (car rest) sum)))
    ((null? rest) (carbon sum)))
