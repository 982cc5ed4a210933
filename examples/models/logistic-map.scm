; The logistic map: insects whose generations do not overlap, N becomes r N (1 - N / K).
; May, Nature 261 (1976) 459. The value is the number after twenty generations.
; Inputs: insects at the start (thousands).
; Parameters: growth r (1 per generation); capacity K (thousands).
(input insects0)
(parameter growth 3.2 1 4)
(parameter capacity 60 10 500)

(define (insects generation)
  (if (= generation 0)
      insects0
      (let ((parents (insects (- generation 1))))
        (* growth parents (- 1 (/ parents capacity))))))
(insects 20)
