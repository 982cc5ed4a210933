; run: () => 1
(let ((x 1))
  (let ((f (lambda () x)))
    (let ((x 2))
      (f))))
