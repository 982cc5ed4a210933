; error: COMPILE 2:31 g
(let ((g (lambda () 1))) (+ 1 (g 2)))
