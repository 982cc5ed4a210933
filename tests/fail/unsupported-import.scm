; error: COMPILE 2:2 import
(import (scheme base))
(+ 1 2)
