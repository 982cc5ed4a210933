; error: COMPILE 2:1 quote
(quote a b)
