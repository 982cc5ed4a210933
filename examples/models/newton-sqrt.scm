; A tank that empties through a hole, by Torricelli's law,
;   flow = contraction area sqrt(2 g (level + offset)),
; with the root as Newton and Heron of Alexandria take it, y becomes (y + a / y) / 2, until y^2 is a; one step more gives the
; last digits to the value and to its derivatives. Torricelli, De motu aquarum (1643); Heron, Metrica I 8.
; The number of steps is that of the sample. The test hangs on offset, which has no gradient through it, and needs none.
; Inputs: level that a gauge shows (m), area of the hole (cm^2).
; Parameters: contraction of the jet (no unit); offset of the gauge (m). The flow is in litres per second.
(input level)
(input area)
(parameter contraction 0.8 0.1 1)
(parameter offset 0.2 0 1)

(define a (* 2 9.80665 (+ level offset)))
(define (good? y) (< (abs (- (square y) a)) (* 1e-10 a)))
(define (better y) (* 0.5 (+ y (/ a y))))
(define (root y)
  (if (good? y)
      (better y)
      (root (better y))))
(* 0.1 contraction area (root 1.))
