; error: PARSE 2:5 sapce
(if #\sapce 1 2)
