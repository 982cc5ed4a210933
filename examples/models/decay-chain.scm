; A chain of decays: short-lived daughters of radon on an air filter, Po-218 to Pb-214 to Bi-214,
;   dN1/dt = -l1 N1,   dN2/dt = l1 N1 - l2 N2,   dN3/dt = l2 N2 - l3 N3,   l = ln 2 / half-life.
; Bateman, Proc. Cambridge Phil. Soc. 15 (1910) 423. The value is the count rate of the betas of Pb-214 and Bi-214,
; by the Taylor polynomial of fourth order in steps of a minute: the number of steps is that of the sample.
; Inputs: activity of Po-218 at the start (decays/s), minutes since then (a whole number).
; Parameters: lead and bismuth, half-lives of Pb-214 and Bi-214 (minutes); efficiency of the counter (counts per decay).
(input activity)
(input minutes)
(parameter lead 20 5 100)
(parameter bismuth 15 5 100)
(parameter efficiency 0.5 0.01 1)

(define (rate half-life) (/ (log 2) half-life))
(define l1 (rate 3.05))
(define l2 (rate lead))
(define l3 (rate bismuth))
(define decays (mat [(- l1) 0 0] [l1 (- l2) 0] [0 l2 (- l3)]))
(define start [(/ activity l1) 0 0])
(define (one-minute n)
  (+ n (matvec decays (+ n (* 0.5 (matvec decays (+ n (/ (matvec decays (+ n (* 0.25 (matvec decays n)))) 3))))))))
(define (counts n) (* efficiency (+ (* l2 (ref n 1)) (* l3 (ref n 2)))))
(define (nuclei after)
  (if (<= after 0)
      start
      (one-minute (nuclei (- after 1)))))
(counts (nuclei minutes))
