; run: () => 14
; let binds in parallel: + becomes the old *, * the old +.
(let ((+ *) (* +)) (+ 2 (* 3 4)))
