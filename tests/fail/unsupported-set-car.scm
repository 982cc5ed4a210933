; error: COMPILE 2:24 set-car!
(let ((p (cons 1 2))) (set-car! p 3))
