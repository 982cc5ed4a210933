; error: COMPILE 2:6 sin
(+ 1 (sin 'a))
