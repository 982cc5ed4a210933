; error: COMPILE 2:1 import
(import (scheme base))
(+ 1 2)
