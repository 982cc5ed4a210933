; run: () => 6
#| a block ( " |#
(+ 1 #| 10 |# 2 #|
  several lines
|# 3)
