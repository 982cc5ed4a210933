; error: PARSE 3:1 comment
(+ 1 2)
#| never #| closed |#
