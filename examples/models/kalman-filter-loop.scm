; Kalman's filter behind a radar that reads range and speed of a target twice a second: the log-likelihood of six readings,
;   x = F x,  P = F P F^T + Q,  S = P + R,  e = u - x,  x = x + P S^-1 e,  P = P - P S^-1 P,
;   log L = -1/2 sum of (log det S + e^T S^-1 e + 2 log 2 pi).
; Kalman, J. Basic Eng. 82 (1960) 35; the likelihood of the surprises e is Schweppe's, IEEE Trans. Inf. Theory 11 (1965) 61.
; Which variances did a tracker assume whose log-likelihoods were written down?
; Inputs: u0 to u11, range (m, from where it was expected) and speed (m/s) in turn.
; Parameters: push, spectral density of the acceleration (m^2/s^3); range, variance of a range (m^2); speed, variance of a
; speed (m^2/s^2).
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
(parameter push 3 0.01 100)
(parameter range 2 0.01 100)
(parameter speed 0.5 0.01 100)

(define readings (list [u0 u1] [u2 u3] [u4 u5] [u6 u7] [u8 u9] [u10 u11]))
(define h 0.5)
(define f (mat [1 h] [0 1]))
(define q (* push (mat [(/ (expt h 3) 3) (/ (square h) 2)] [(/ (square h) 2) h])))
(define r (mat [range 0] [0 speed]))
(define (predict p) (+ (matmul f (matmul p (transpose f))) q))
(define (log-density surprise s)
  (* -0.5 (+ (logdet s) (dot surprise (solve s surprise)) (* 2 (log 6.283185307179586)))))
(define u (apply mat readings))
(loop ((k 0) (x [0 0]) (p (mat [100 0] [0 25])) (total 0))
  (if (= k 6)
      total
      (let* ((x (matvec f x))
             (p (predict p))
             (s (+ p r))
             (gain (matmul p (inv s)))
             (surprise (- (ref u k) x)))
        (recur (+ k 1)
               (+ x (matvec gain surprise))
               (- p (matmul gain p))
               (+ total (log-density surprise s))))))
