; error: COMPILE 2:25 of one length
(parameter m (mat [1 2] [3]))
(trace m)
