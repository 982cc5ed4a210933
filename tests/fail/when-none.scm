; error: COMPILE 2:1 when
(when)
