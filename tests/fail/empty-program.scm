; error: COMPILE 1:1 empty
