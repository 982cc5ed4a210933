; run: () => (quote x)
; ''x is (quote (quote x)).
''x
