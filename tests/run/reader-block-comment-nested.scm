; run: () => 3
(+ 1 #| outer #| inner |# still outer |# 2)
