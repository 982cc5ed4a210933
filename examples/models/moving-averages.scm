; Moving averages, five of them one behind the other: each replaces neighbours by their weighted mean,
;   v[n] = left u[n] + (1 - left - right) u[n+1] + right u[n+2],
; so a window of eleven samples shrinks to one. Zurbenko, The Spectral Analysis of Time Series (1986); with unequal weights
; it is also an explicit scheme for drift and diffusion. The value is what is left (same unit as the samples).
; Inputs: u0 to u10, samples of a slow signal under noise (any unit), oldest first.
; Parameters: left and right, weights of the neighbours (no unit).
(input u0)
(input u1)
(input u2)
(input u3)
(input u4)
(input u5)
(input u6)
(input u7)
(input u8)
(input u9)
(input u10)
(parameter left 0.2 0 0.5)
(parameter right 0.2 0 0.5)

(define window (list u0 u1 u2 u3 u4 u5 u6 u7 u8 u9 u10))
(define (mean u)
  (+ (* left (car u))
     (* (- 1 left right) (cadr u))
     (* right (caddr u))))
(define (smooth u)
  (if (null? (cddr u))
      '()
      (cons (mean u) (smooth (cdr u)))))
(define (cascade u)
  (if (null? (cdr u))
      (car u)
      (cascade (smooth u))))
(cascade window)
