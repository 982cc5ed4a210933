; Lotka and Volterra: hares H and the lynxes L that eat them, both in thousands,
;   dH/dt = alpha H - beta H L,   dL/dt = delta H L - gamma L.
; Lotka, Elements of Physical Biology (1925); Volterra, Nature 118 (1926) 558. The value is the hares at a time, by
; forty steps of Runge and Kutta, each a fortieth of the time.
; Inputs: hares and lynxes at the start (thousands), years since then.
; Parameters: alpha, births of hares (1/year); beta, hares that a lynx catches (1/(year thousand)); gamma, deaths of
; lynxes (1/year); delta, lynxes that live on a hare (1/(year thousand)).
(input hares0)
(input lynxes0)
(input years)
(parameter alpha 0.4 0.01 2)
(parameter beta 0.02 0.001 0.2)
(parameter gamma 1 0.01 3)
(parameter delta 0.02 0.001 0.2)

(define h (/ years 40))
(define (hares-grow hares lynxes) (* hares (- alpha (* beta lynxes))))
(define (lynxes-grow hares lynxes) (* lynxes (- (* delta hares) gamma)))
(loop ((step 0) (hares hares0) (lynxes lynxes0))
  (if (= step 40)
      hares
      (let* ((a1 (hares-grow hares lynxes))
             (b1 (lynxes-grow hares lynxes))
             (hares2 (+ hares (* 0.5 h a1)))
             (lynxes2 (+ lynxes (* 0.5 h b1)))
             (a2 (hares-grow hares2 lynxes2))
             (b2 (lynxes-grow hares2 lynxes2))
             (hares3 (+ hares (* 0.5 h a2)))
             (lynxes3 (+ lynxes (* 0.5 h b2)))
             (a3 (hares-grow hares3 lynxes3))
             (b3 (lynxes-grow hares3 lynxes3))
             (hares4 (+ hares (* h a3)))
             (lynxes4 (+ lynxes (* h b3)))
             (a4 (hares-grow hares4 lynxes4))
             (b4 (lynxes-grow hares4 lynxes4)))
        (recur (+ step 1)
               (+ hares (* (/ h 6) (+ a1 (* 2 a2) (* 2 a3) a4)))
               (+ lynxes (* (/ h 6) (+ b1 (* 2 b2) (* 2 b3) b4)))))))
