; A recursive filter of second order, a biquad, from rest,
;   y[n] = b0 u[n] + b1 u[n-1] + b2 u[n-2] - a1 y[n-1] - a2 y[n-2].
; Oppenheim and Schafer, Discrete-Time Signal Processing, section 6.3. The value is what comes out (volts) with the last of
; twelve samples.
; Inputs: u0 to u11, what goes in (volts), oldest first.
; Parameters: b0, b1, b2, a1, a2; poles inside the unit circle have |a2| < 1 and |a1| < 1 + a2.
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
(input u11)
(parameter b0 0.1 -5 5)
(parameter b1 0.1 -5 5)
(parameter b2 0.1 -5 5)
(parameter a1 -0.5 -2 2)
(parameter a2 0.2 -1 1)

(define (response u u1 u2 y1 y2)
  (- (+ (* b0 u) (* b1 u1) (* b2 u2))
     (* a1 y1)
     (* a2 y2)))
(define u [u0 u1 u2 u3 u4 u5 u6 u7 u8 u9 u10 u11])
(do ((n 0 (+ n 1))
     (u1 0 (ref u n))
     (u2 0 u1)
     (y1 0 (response (ref u n) u1 u2 y1 y2))
     (y2 0 y1))
    ((= n 12) y1))
