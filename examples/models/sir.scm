; Kermack and McKendrick: an epidemic that runs through the susceptible S, the infected I and the recovered,
;   dS/dt = -c(t) S I,   dI/dt = c(t) S I - recovery I,
; where the contacts c(t) change from "before" to "after" on day 30, when the schools close. Kermack and McKendrick,
; Proc. R. Soc. A 115 (1927) 700. The value is the infected on a day, by the midpoint rule in steps of half a day, so
; the number of steps is that of the sample.
; Inputs: infected on day 0 (of a thousand people), day (a whole number).
; Parameters: before and after, contacts that infect (1/day); recovery (1/day).
(input infected0)
(input day)
(parameter before 0.3 0 2)
(parameter after 0.2 0 2)
(parameter recovery 0.2 0.01 1)

(define closing 30)
(define (contacts t) (if (< t closing) before after))
(define (infections c s i) (* c s i))
(define (spread t s i)
  (if (>= t day)
      (* 1000 i)
      (let* ((c (contacts t))
             (sm (- s (* 0.25 (infections c s i))))
             (im (+ i (* 0.25 (- (infections c s i) (* recovery i))))))
        (spread (+ t 0.5)
                (- s (* 0.5 (infections c sm im)))
                (+ i (* 0.5 (- (infections c sm im) (* recovery im))))))))
(spread 0. (- 1 (/ infected0 1000)) (/ infected0 1000))
