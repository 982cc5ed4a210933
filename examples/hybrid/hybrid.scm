; A pendulum whose friction is a network of its speed: the angle after so many steps of 0.05 s, released at rest.
(input release)
(input step)
(parameter k 8 0 50)
(import friction "friction.onnx")

; friction knows no left and right
(define (drag w) (* 0.5 (- (friction w) (friction (- w)))))

; the derivatives of the angle and of the speed w
(define (rate angle w)
  (list w (- (- (* k (sin angle))) (drag w))))

; Runge-Kutta of fourth order
(define h 0.05)
(define (ahead s t rate) (map (lambda (s r) (+ s (* t r))) s rate))
(define (advance s)
  (let* ((a (apply rate s))
         (b (apply rate (ahead s (/ h 2) a)))
         (c (apply rate (ahead s (/ h 2) b)))
         (d (apply rate (ahead s h c))))
    (map (lambda (s a b c d) (+ s (* (/ h 6) (+ a (* 2 b) (* 2 c) d)))) s a b c d)))

(loop ((i 0) (s (list release 0.)))
  (if (< i step) (recur (+ i 1) (advance s)) (car s)))
