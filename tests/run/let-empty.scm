; run: () => 5
(let () 5)
