; error: COMPILE 2:2 string-append
(string-append "a" "b")
