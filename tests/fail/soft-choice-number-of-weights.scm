; error: COMPILE 2:1 soft-choice
(soft-choice (x (* 2 x)) [1 2 3])
