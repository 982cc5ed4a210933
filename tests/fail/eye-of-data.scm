; error: COMPILE 2:1 "eye" needs a size
(eye x)
