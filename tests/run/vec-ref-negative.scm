; run: () => error: ref
(ref [1 2 3] -1)
