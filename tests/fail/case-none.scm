; error: COMPILE 2:1 case
(case)
