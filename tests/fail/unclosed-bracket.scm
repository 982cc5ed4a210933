; error: PARSE 2:1 [
[1 2 3
